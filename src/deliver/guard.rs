//! Which addresses may be called. Checked after name resolution, so a name cannot lead where an address may not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The metadata services of clouds outside the link-local ranges: Alibaba Cloud, Oracle Cloud, Azure's host agent.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(168, 63, 129, 16),
];
/// The metadata services of AWS and Google Cloud over IPv6.
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

/// Whether a receiver may live at `address`. Link-local, metadata, unspecified and multicast addresses never;
/// loopback and private ranges only with `private`.
pub(super) fn allowed(address: IpAddr, private: bool) -> bool {
    match address {
        IpAddr::V4(v4) => allowed_v4(v4, private),
        IpAddr::V6(v6) => match embedded(v6) {
            Some(v4) => allowed_v4(v4, private),
            None => allowed_v6(v6, private),
        },
    }
}

fn allowed_v4(address: Ipv4Addr, private: bool) -> bool {
    let [first, second, ..] = address.octets();
    if address.is_link_local()
        || address.is_multicast()
        || first == 0
        || first >= 240
        || METADATA_V4.contains(&address)
    {
        return false;
    }
    // 100.64.0.0/10 is the shared space of carrier-grade NAT (RFC 6598).
    let shared = first == 100 && second & 0xc0 == 64;
    private || !(address.is_loopback() || address.is_private() || shared)
}

fn allowed_v6(address: Ipv6Addr, private: bool) -> bool {
    // fec0::/10 is the retired site-local range (RFC 3879): private where it is still in use.
    let site_local = address.segments()[0] & 0xffc0 == 0xfec0;
    if address.is_unicast_link_local()
        || address.is_multicast()
        || address.is_unspecified()
        || METADATA_V6.contains(&address)
    {
        return false;
    }
    private || !(address.is_loopback() || address.is_unique_local() || site_local)
}

/// The IPv4 address that an IPv6 address leads to: mapped, compatible, NAT64 (RFC 6052) and 6to4 (RFC 3056).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let join = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match segments {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(join(high, low))
        }
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => Some(join(high, low)),
        [0x2002, high, low, ..] => Some(join(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        #[rustfmt::skip]
        let rows = [
            // address, with private ranges, without
            ("93.184.216.34",            true,  true),
            ("2606:2800:220:1::1",       true,  true),
            ("127.0.0.1",                true,  false),
            ("10.1.2.3",                 true,  false),
            ("172.16.0.1",               true,  false),
            ("192.168.1.1",              true,  false),
            ("100.64.0.1",               true,  false),
            ("100.128.0.1",              true,  true),
            ("::1",                      true,  false),
            ("fd12::1",                  true,  false),
            ("fec0::1",                  true,  false),
            ("::ffff:10.0.0.1",          true,  false),
            ("64:ff9b::10.0.0.1",        true,  false),
            ("2002:a00:1::",             true,  false),
            ("169.254.169.254",          false, false),
            ("169.254.170.2",            false, false),
            ("::ffff:169.254.169.254",   false, false),
            ("::169.254.169.254",        false, false),
            ("64:ff9b::169.254.169.254", false, false),
            ("2002:a9fe:a9fe::",         false, false),
            ("fe80::1",                  false, false),
            ("fd00:ec2::254",            false, false),
            ("fd20:ce::254",             false, false),
            ("100.100.100.200",          false, false),
            ("168.63.129.16",            false, false),
            ("0.0.0.0",                  false, false),
            ("::",                       false, false),
            ("255.255.255.255",          false, false),
            ("224.0.0.1",                false, false),
            ("ff02::1",                  false, false),
        ];
        for (address, with, without) in rows {
            let parsed: IpAddr = address.parse().unwrap();
            assert_eq!(allowed(parsed, true), with, "{address} with private ranges");
            assert_eq!(allowed(parsed, false), without, "{address} without private ranges");
        }
    }
}
