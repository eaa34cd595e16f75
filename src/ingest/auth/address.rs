//! Where a request comes from, and whether it may.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::limits::FORWARDED_HOPS_MAX;

use super::Error;

/// Networks that may send; none means every address may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList(Vec<IpNet>);

impl AllowList {
    /// Reads networks such as `10.0.0.0/8` and single addresses.
    pub fn parse<S: AsRef<str>>(entries: &[S]) -> Result<Self, Error> {
        let networks = entries.iter().map(|entry| {
            let entry = entry.as_ref().trim();
            let network = entry.parse::<IpNet>();
            network
                .or_else(|_| entry.parse::<IpAddr>().map(IpNet::from))
                .map_err(|_| Error::Network { entry: entry.to_owned() })
        });
        networks.collect::<Result<_, _>>().map(Self)
    }

    /// Networks read elsewhere.
    pub const fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// The networks, for those who trust proxies by them.
    pub fn networks(&self) -> &[IpNet] {
        &self.0
    }

    /// Whether `address` may send.
    pub fn allows(&self, address: IpAddr) -> bool {
        self.0.is_empty() || contains(&self.0, address)
    }
}

/// The client's address: the first one, walking `X-Forwarded-For` from the right, that is no trusted proxy.
///
/// What stands left of it was written by somebody we do not trust. An entry that is no address ends the walk, and the
/// proxy that wrote it is the answer. `headers` have lower-case names and may repeat.
pub fn client_address(peer: IpAddr, headers: &[(String, String)], trusted: &[IpNet]) -> IpAddr {
    let mut client = peer.to_canonical();
    let forwarded = headers.iter().filter(|(name, _)| name == "x-forwarded-for");
    let hops = forwarded.rev().flat_map(|(_, value)| value.rsplit(','));
    for hop in hops.take(FORWARDED_HOPS_MAX) {
        if !contains(trusted, client) {
            break;
        }
        let Some(address) = parse(hop) else { break };
        client = address;
    }
    client
}

fn contains(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

/// An address with or without port and brackets.
fn parse(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let address = hop.parse::<IpAddr>().ok();
    let address =
        address.or_else(|| hop.parse::<std::net::SocketAddr>().ok().map(|socket| socket.ip()));
    let address = address.or_else(|| hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok());
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(peer: &str, forwarded: &[&str], expected: &str) {
        let headers: Vec<_> = forwarded
            .iter()
            .map(|value| ("x-forwarded-for".to_owned(), (*value).to_owned()))
            .collect();
        let trusted = AllowList::parse(&["10.0.0.0/8", "fd00::/8"]).expect("networks");
        let client = client_address(peer.parse().expect("address"), &headers, trusted.networks());
        assert_eq!(client.to_string(), expected, "{peer} {forwarded:?}");
    }

    #[test]
    fn the_client_is_the_last_one_not_trusted() {
        check("203.0.113.9", &["198.51.100.1"], "203.0.113.9");
        check("10.0.0.1", &[], "10.0.0.1");
        check("10.0.0.1", &["198.51.100.1"], "198.51.100.1");
        check("10.0.0.1", &["1.2.3.4, 198.51.100.1, 10.0.0.7"], "198.51.100.1");
        check("10.0.0.1", &["1.2.3.4", "198.51.100.1:4711, 10.0.0.7"], "198.51.100.1");
        check("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3");
        check("10.0.0.1", &["1.2.3.4, unknown"], "10.0.0.1");
        check("10.0.0.1", &["1.2.3.4, "], "10.0.0.1");
        check("::ffff:10.0.0.1", &["[2001:db8::1]:443"], "2001:db8::1");
        check("fd00::1", &["[2001:db8::1]"], "2001:db8::1");
        check("10.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1");
    }

    #[test]
    fn long_chains_end() {
        let forged = "10.0.0.2,".repeat(1_000) + "10.0.0.3";
        check("10.0.0.1", &[&forged], "10.0.0.2");
    }

    #[test]
    fn lists() {
        let list = AllowList::parse(&["192.0.2.7", "2001:db8::/32"]).expect("networks");
        for (address, allowed) in [
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("::ffff:192.0.2.7", true),
            ("2001:db8::5", true),
        ] {
            assert_eq!(list.allows(address.parse().expect("address")), allowed, "{address}");
        }
        assert!(AllowList::default().allows(IpAddr::from([8, 8, 8, 8])));
        assert!(AllowList::parse(&["10.0.0.0/33"]).is_err());
    }
}
