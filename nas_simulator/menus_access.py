"""Menus of subscribers' access: DHCP, PPP, hotspot."""

from __future__ import annotations

from typing import Final

from nas_simulator.kinds import (
    BOOLEAN,
    DURATION,
    IP,
    IP_OR_NAME,
    MAC,
    NETWORK,
    STRING,
    TEXT,
    Kind,
    name_in,
    one_of,
    whole,
)
from nas_simulator.schema import (
    COMMENT,
    DISABLED,
    DYNAMIC,
    FLAGS,
    LIST_VERBS,
    READ_VERBS,
    Menu,
    Property,
    Unique,
)

_INTERFACE: Final[Kind] = name_in("/interface")
_COUNT: Final = whole(0, 0xFFFF_FFFF_FFFF_FFFF)

DHCP_SERVER: Final = Menu(
    "/ip/dhcp-server",
    (
        Property("name", STRING),
        Property("interface", _INTERFACE, required=True),
        Property("address-pool", name_in("/ip/pool", "static-only"), "static-only"),
        Property("lease-time", DURATION, "30m"),
        Property("add-arp", BOOLEAN, "false"),
        Property("authoritative", one_of("yes", "no", "after-2sec-delay", "after-10sec-delay"), "yes"),
        Property("use-radius", one_of("yes", "no", "accounting"), "no"),
        Property("lease-script", STRING, ""),
        Property("invalid", BOOLEAN, "false", read_only=True),
        DYNAMIC,
        DISABLED,
        COMMENT,
    ),
    uniques=(Unique(("name",), "failure: server with such name already exists"),),
    name_stem="dhcp",
    flags=FLAGS | {"invalid": "I"},
    columns=("name", "interface", "address-pool", "lease-time"),
)

DHCP_NETWORK: Final = Menu(
    "/ip/dhcp-server/network",
    (
        Property("address", NETWORK, required=True),
        Property("gateway", TEXT, ""),
        Property("netmask", whole(0, 32)),
        Property("dns-server", TEXT, ""),
        Property("wins-server", TEXT, ""),
        Property("ntp-server", TEXT, ""),
        Property("domain", STRING),
        DYNAMIC,
        COMMENT,
    ),
    uniques=(Unique(("address",), "failure: such network already exists"),),
    flags={"dynamic": "D"},
    columns=("address", "gateway", "dns-server"),
)

LEASE: Final = Menu(
    "/ip/dhcp-server/lease",
    (
        Property("address", IP_OR_NAME, required=True),
        Property("mac-address", MAC),
        Property("client-id", TEXT),
        Property("address-lists", TEXT, ""),
        Property("server", name_in("/ip/dhcp-server", "all"), "all"),
        Property("lease-time", DURATION),
        Property("dhcp-option", TEXT, ""),
        Property("rate-limit", TEXT),
        Property("block-access", BOOLEAN, "false"),
        Property("always-broadcast", BOOLEAN),
        Property("use-src-mac", BOOLEAN),
        Property("status", TEXT, "waiting", read_only=True),
        Property("last-seen", TEXT, "never", read_only=True),
        Property("active-address", TEXT, read_only=True),
        Property("active-mac-address", TEXT, read_only=True),
        Property("host-name", STRING, read_only=True),
        Property("radius", BOOLEAN, "false", read_only=True),
        DYNAMIC,
        Property("blocked", BOOLEAN, "false", read_only=True),
        DISABLED,
        COMMENT,
    ),
    uniques=(
        Unique(("address", "server"), "failure: already have static lease with this IP address", unless="dynamic"),
        Unique(
            ("mac-address", "server"),
            "failure: already have static lease for this client",
            unless="dynamic",
            needs="mac-address",
        ),
    ),
    verbs=LIST_VERBS | {"make-static"},
    dynamic_text="failure: can not change dynamic lease",
    flags=FLAGS | {"radius": "R", "blocked": "B"},
    columns=("address", "mac-address", "host-name", "server", "rate-limit", "status", "last-seen"),
)

PPP_PROFILE: Final = Menu(
    "/ppp/profile",
    (
        Property("name", STRING, required=True),
        Property("local-address", IP_OR_NAME),
        Property("remote-address", IP_OR_NAME),
        Property("bridge", name_in("/interface")),
        Property("address-list", TEXT, ""),
        Property("rate-limit", TEXT),
        Property("session-timeout", DURATION),
        Property("idle-timeout", DURATION),
        Property("only-one", one_of("default", "yes", "no"), "default"),
        Property("change-tcp-mss", one_of("default", "yes", "no"), "default"),
        Property("use-compression", one_of("default", "yes", "no"), "default"),
        Property("use-encryption", one_of("default", "yes", "no", "required"), "default"),
        Property("dns-server", TEXT),
        Property("on-up", STRING, ""),
        Property("on-down", STRING, ""),
        Property("default", BOOLEAN, "false", read_only=True),
        COMMENT,
    ),
    uniques=(Unique(("name",), "failure: profile with the same name already exists"),),
    verbs=LIST_VERBS - {"enable", "disable"},
    flags={"default": "*"},
    columns=("name", "local-address", "remote-address", "rate-limit"),
    seeds=(
        {"name": "default", "default": "true", "change-tcp-mss": "yes"},
        {"name": "default-encryption", "default": "true", "change-tcp-mss": "yes", "use-encryption": "yes"},
    ),
)

PPP_SECRET: Final = Menu(
    "/ppp/secret",
    (
        Property("name", STRING, required=True),
        Property("service", one_of("any", "async", "l2tp", "ovpn", "pppoe", "pptp", "sstp"), "any"),
        Property("caller-id", STRING, ""),
        Property("password", STRING, ""),
        Property("profile", name_in("/ppp/profile"), "default"),
        Property("local-address", IP_OR_NAME),
        Property("remote-address", IP_OR_NAME),
        Property("remote-ipv6-prefix", TEXT),
        Property("routes", STRING, ""),
        Property("ipv6-routes", STRING, ""),
        Property("limit-bytes-in", _COUNT, "0"),
        Property("limit-bytes-out", _COUNT, "0"),
        Property("last-logged-out", TEXT, "1970-01-01 00:00:00", read_only=True),
        Property("last-caller-id", STRING, "", read_only=True),
        Property("last-disconnect-reason", STRING, "", read_only=True),
        DISABLED,
        COMMENT,
    ),
    uniques=(Unique(("name",), "failure: secret with the same name already exists"),),
    flags={"disabled": "X"},
    columns=("name", "service", "caller-id", "password", "profile", "remote-address"),
)

PPP_ACTIVE: Final = Menu(
    "/ppp/active",
    (
        Property("name", STRING),
        Property("service", TEXT, "pppoe"),
        Property("caller-id", STRING, ""),
        Property("address", IP),
        Property("uptime", TEXT, "0s"),
        Property("encoding", STRING, ""),
        Property("session-id", TEXT, "0x81000000"),
        Property("limit-bytes-in", _COUNT, "0"),
        Property("limit-bytes-out", _COUNT, "0"),
        Property("radius", BOOLEAN, "false"),
    ),
    verbs=READ_VERBS | {"remove"},
    flags={"radius": "R"},
    columns=("name", "service", "caller-id", "address", "uptime", "encoding"),
)

HOTSPOT: Final = Menu(
    "/ip/hotspot",
    (
        Property("name", STRING),
        Property("interface", _INTERFACE, required=True),
        Property("address-pool", name_in("/ip/pool", "none"), "none"),
        Property("profile", TEXT, "default"),
        Property("addresses-per-mac", TEXT, "2"),
        Property("invalid", BOOLEAN, "false", read_only=True),
        DISABLED,
    ),
    uniques=(Unique(("name",), "failure: item with this name already exists"),),
    name_stem="hotspot",
    flags={"disabled": "X", "invalid": "I"},
    columns=("name", "interface", "address-pool", "profile"),
)

HOTSPOT_PROFILE: Final = Menu(
    "/ip/hotspot/user/profile",
    (
        Property("name", STRING, required=True),
        Property("address-pool", name_in("/ip/pool", "none"), "none"),
        Property("address-list", TEXT, ""),
        Property("rate-limit", TEXT),
        Property("session-timeout", DURATION),
        Property("idle-timeout", TEXT, "none"),
        Property("shared-users", TEXT, "1"),
        Property("default", BOOLEAN, "false", read_only=True),
    ),
    uniques=(Unique(("name",), "failure: profile with the same name already exists"),),
    verbs=LIST_VERBS - {"enable", "disable", "comment"},
    flags={"default": "*"},
    columns=("name", "address-pool", "rate-limit", "shared-users"),
    seeds=({"name": "default", "default": "true"},),
)

HOTSPOT_USER: Final = Menu(
    "/ip/hotspot/user",
    (
        Property("server", name_in("/ip/hotspot", "all"), "all"),
        Property("name", STRING, required=True),
        Property("password", STRING, ""),
        Property("address", IP),
        Property("mac-address", MAC),
        Property("profile", name_in("/ip/hotspot/user/profile"), "default"),
        Property("email", STRING),
        Property("limit-uptime", DURATION),
        Property("limit-bytes-in", _COUNT),
        Property("limit-bytes-out", _COUNT),
        Property("limit-bytes-total", _COUNT),
        Property("uptime", TEXT, "0s", read_only=True),
        Property("bytes-in", TEXT, "0", read_only=True),
        Property("bytes-out", TEXT, "0", read_only=True),
        DYNAMIC,
        DISABLED,
        COMMENT,
    ),
    uniques=(Unique(("name", "server"), "failure: already have user with this name for this server"),),
    flags=FLAGS,
    columns=("server", "name", "address", "profile", "uptime"),
)

MENUS: Final = (
    DHCP_SERVER,
    DHCP_NETWORK,
    LEASE,
    PPP_PROFILE,
    PPP_SECRET,
    PPP_ACTIVE,
    HOTSPOT,
    HOTSPOT_PROFILE,
    HOTSPOT_USER,
)
