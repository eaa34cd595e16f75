//! The helpers of templates. Those that return a value are escaped like any other value; only `plain` and `json`
//! write by themselves, and they escape for JSON.

use handlebars::{
    Context, Handlebars, Helper, HelperDef, HelperResult, Output, RenderContext, RenderError,
    RenderErrorReason, ScopedJson,
};
use serde_json::Value;

use super::words;
use crate::deliver::clean;
use crate::domain::Timestamp;

/// A helper that computes a value from its parameters and the root of the context.
pub(super) type Compute = fn(&[&Value], &Value) -> Result<Value, String>;

struct ValueHelper {
    name: &'static str,
    /// Whether a missing first parameter is an error, as everywhere in strict mode.
    strict: bool,
    compute: Compute,
}

impl HelperDef for ValueHelper {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        h: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        ctx: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        if self.strict {
            refuse_missing(h)?;
        }
        let params: Vec<&Value> = h.params().iter().map(handlebars::PathAndJson::value).collect();
        (self.compute)(&params, ctx.data())
            .map(ScopedJson::Derived)
            .map_err(|why| failed(self.name, &why))
    }
}

fn failed(name: &str, why: &str) -> RenderError {
    RenderErrorReason::Other(format!("{name}: {why}")).into()
}

fn refuse_missing(h: &Helper<'_>) -> Result<(), RenderError> {
    match h.params().iter().find(|param| param.is_value_missing()) {
        None => Ok(()),
        Some(param) => {
            Err(RenderErrorReason::MissingVariable(param.relative_path().cloned()).into())
        }
    }
}

/// `{{plain x}}` in JSON: the text without the medium's markup escapes, for fields that read none.
struct Plain;

impl HelperDef for Plain {
    fn call<'reg: 'rc, 'rc>(
        &self,
        h: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        refuse_missing(h)?;
        let text = h.param(0).map(|param| as_text(param.value())).unwrap_or_default();
        out.write(&super::json_escape(&text))?;
        Ok(())
    }
}

/// `{{json x}}` in JSON: any value as JSON, with its quotes.
struct Json;

impl HelperDef for Json {
    fn call<'reg: 'rc, 'rc>(
        &self,
        h: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        refuse_missing(h)?;
        out.write(
            &h.param(0).map_or_else(|| "null".to_owned(), |param| param.value().to_string()),
        )?;
        Ok(())
    }
}

/// Registers all helpers; `json` says whether the output is JSON.
pub(super) fn register(registry: &mut Handlebars<'static>, json: bool) {
    registry.unregister_helper("log");
    registry.unregister_helper("raw");
    for (name, strict, compute) in HELPERS {
        registry.register_helper(name, Box::new(ValueHelper { name, strict, compute }));
    }
    if json {
        registry.register_helper("plain", Box::new(Plain));
        registry.register_helper("json", Box::new(Json));
    } else {
        let compute: Compute = |params, _| Ok(Value::String(as_text(param(params, 0)?)));
        registry.register_helper(
            "plain",
            Box::new(ValueHelper { name: "plain", strict: true, compute }),
        );
    }
}

pub(super) const HELPERS: [(&str, bool, Compute); 14] = [
    ("truncate", true, |params, _| {
        Ok(clean::cut(&as_text(param(params, 0)?), as_count(params, 1)?).into_owned().into())
    }),
    ("default", false, |params, _| {
        let given = params.first().filter(|value| !as_text(value).trim().is_empty());
        given
            .copied()
            .or(params.get(1).copied())
            .cloned()
            .ok_or_else(|| "needs a value and a default".to_owned())
    }),
    ("join", true, |params, _| {
        let separator = params.get(1).map_or_else(|| ", ".to_owned(), |value| as_text(value));
        let list = param(params, 0)?.as_array().ok_or("the first parameter is no list")?;
        Ok(list.iter().map(as_item).collect::<Vec<_>>().join(&separator).into())
    }),
    ("upper", true, |params, _| Ok(as_text(param(params, 0)?).to_uppercase().into())),
    ("lower", true, |params, _| Ok(as_text(param(params, 0)?).to_lowercase().into())),
    ("capital", true, |params, _| {
        let text = as_text(param(params, 0)?);
        let mut chars = text.chars();
        let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
        Ok((first + chars.as_str()).into())
    }),
    ("line", true, |params, _| Ok(clean::line(&as_text(param(params, 0)?)).into())),
    ("contains", true, |params, _| {
        Ok(as_text(param(params, 0)?).contains(&as_text(param(params, 1)?)).into())
    }),
    ("plural", true, |params, _| {
        let one = param(params, 0)?.as_u64() == Some(1);
        Ok(as_text(param(params, if one { 1 } else { 2 })?).into())
    }),
    ("period", true, |params, _| {
        let seconds = param(params, 0)?.as_u64().ok_or("the parameter is no number of seconds")?;
        Ok(words::duration(std::time::Duration::from_secs(seconds)).into())
    }),
    ("ago", true, |params, root| {
        let now = root.get("now").and_then(as_time).ok_or("the context has no time")?;
        let then = as_time(param(params, 0)?).ok_or("the parameter is no RFC 3339 time")?;
        Ok(words::duration(now.since(then)).into())
    }),
    ("time", true, |params, _| {
        let at = as_time(param(params, 0)?).ok_or("the parameter is no RFC 3339 time")?;
        Ok(words::stamp(at).into())
    }),
    ("label", true, |params, root| {
        let name = as_text(param(params, 0)?);
        let lists = [root.get("labels"), root.get("group")];
        let found = lists.into_iter().flatten().filter_map(Value::as_array).flatten();
        let pair =
            found.into_iter().find(|pair| pair.get("name").and_then(Value::as_str) == Some(&name));
        Ok(pair.and_then(|pair| pair.get("value")).cloned().unwrap_or_else(|| "".into()))
    }),
    ("urlencode", true, |params, _| Ok(super::uri_escape(&as_text(param(params, 0)?)).into())),
];

fn param<'a>(params: &[&'a Value], at: usize) -> Result<&'a Value, String> {
    params.get(at).copied().ok_or_else(|| format!("parameter {} is missing", at + 1))
}

fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// An element of a joined list: a text, a `name=value` pair or the name of a link.
fn as_item(value: &Value) -> String {
    match (value.get("name").and_then(Value::as_str), value.get("value").and_then(Value::as_str)) {
        (Some(name), Some(value)) => format!("{name}={value}"),
        (Some(name), None) => name.to_owned(),
        (None, _) => as_text(value),
    }
}

fn as_count(params: &[&Value], at: usize) -> Result<usize, String> {
    let number =
        param(params, at)?.as_u64().ok_or_else(|| format!("parameter {} is no number", at + 1))?;
    usize::try_from(number).map_err(|_| "number too large".to_owned())
}

fn as_time(value: &Value) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(value.as_str()?)
}
