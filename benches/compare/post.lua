-- Posts alerts: arguments are `am` or `bridge` (the body's form), `unique` or `repeat`, alerts per payload, run number.
local form, mode, size, run
local thread_count = 0

function setup(thread)
  thread:set("id", thread_count)
  thread_count = thread_count + 1
end

function init(args)
  form, mode, size, run = args[1], args[2], tonumber(args[3]), args[4]
  n = 0
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
end

local function alert(name)
  local common = '"labels":{"alertname":"InstanceDown","severity":"critical","cluster":"eu-1","job":"node","team":"infra","instance":"'
    .. name .. ':9100"},"annotations":{"summary":"Instance ' .. name .. ' is down","description":"' .. name
    .. ' of job node has been unreachable for more than five minutes.","runbook_url":"https://runbooks.example/InstanceDown"},'
    .. '"startsAt":"2026-11-01T10:00:00Z","generatorURL":"http://prometheus.example/graph?g0.expr=up+%3D%3D+0"'
  if form == "am" then
    return "{" .. common .. "}"
  end
  return '{"status":"firing","endsAt":"0001-01-01T00:00:00Z","fingerprint":"' .. name .. '",' .. common .. "}"
end

function request()
  local list = {}
  for i = 1, size do
    n = n + 1
    local number = n
    if mode == "repeat" then number = n % 1000 end
    list[i] = alert("host-" .. run .. "-" .. id .. "-" .. number)
  end
  local body = "[" .. table.concat(list, ",") .. "]"
  if form == "bridge" then
    body = '{"version":"4","groupKey":"{}","status":"firing","receiver":"bridge","groupLabels":{},"commonLabels":{},'
      .. '"commonAnnotations":{},"externalURL":"http://alertmanager.example","alerts":' .. body .. "}"
  end
  return wrk.format(nil, nil, nil, body)
end

function done(summary, latency, requests)
  local failed = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout
  io.write(string.format("RESULT %d %d %d %d %d\n", summary.requests, summary.duration, failed,
    latency:percentile(50), latency:percentile(99)))
end
