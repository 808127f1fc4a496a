"""Whose an address is, where addresses are counted. Pure."""

import ipaddress


def whose(address: str) -> str:
    """Return what stands for all addresses of one client: with IPv6 its network of 64 bits.

    What is no address stands for itself.
    """
    if ":" not in address:
        return address
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(parsed, ipaddress.IPv6Address) or parsed.is_loopback:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return parsed.packed[:8].hex()
