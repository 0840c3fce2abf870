"""Menus of interfaces, addresses, users and the router itself."""

from __future__ import annotations

from typing import Final

from nas_simulator.kinds import (
    BOOLEAN,
    DURATION,
    IP,
    IP_WITH_PREFIX,
    MAC,
    STRING,
    TEXT,
    UPTIME,
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
    SETTINGS_VERBS,
    Menu,
    Property,
    Unique,
)

_PORTS: Final = 5
_INTERFACE_PROPERTIES: Final = (
    Property("name", STRING),
    Property("type", TEXT, "ether", read_only=True),
    Property("mtu", TEXT, "1500"),
    Property("actual-mtu", TEXT, "1500", read_only=True),
    Property("mac-address", MAC, read_only=True),
    Property("running", BOOLEAN, "true", read_only=True),
    DYNAMIC,
    DISABLED,
    COMMENT,
)

INTERFACE: Final = Menu(
    "/interface",
    _INTERFACE_PROPERTIES,
    uniques=(
        Unique(
            ("name",),
            "failure: already have interface with such name",
            text_v6="failure: already have device with such name",
        ),
    ),
    verbs=LIST_VERBS - {"add", "remove"},
    flags=FLAGS | {"running": "R"},
    columns=("name", "type", "actual-mtu", "mac-address"),
    seeds=tuple(
        {"name": f"ether{port}", "type": "ether", "mac-address": f"02:00:00:00:00:{port:02X}"} for port in range(1, _PORTS + 1)
    ),
)

BRIDGE: Final = Menu(
    "/interface/bridge",
    (
        *_INTERFACE_PROPERTIES,
        Property("arp", one_of("disabled", "enabled", "local-proxy-arp", "proxy-arp", "reply-only"), "enabled"),
        Property("protocol-mode", one_of("none", "stp", "rstp", "mstp"), "rstp"),
        Property("vlan-filtering", BOOLEAN, "false"),
    ),
    view_of="/interface",
    fixed={"type": "bridge"},
    name_stem="bridge",
    flags=FLAGS | {"running": "R"},
)

VLAN: Final = Menu(
    "/interface/vlan",
    (
        *_INTERFACE_PROPERTIES,
        Property("arp", one_of("disabled", "enabled", "local-proxy-arp", "proxy-arp", "reply-only"), "enabled"),
        Property("vlan-id", whole(1, 4095), "1"),
        Property("interface", name_in("/interface"), required=True),
        Property("use-service-tag", BOOLEAN, "false"),
    ),
    view_of="/interface",
    fixed={"type": "vlan"},
    name_stem="vlan",
    flags=FLAGS | {"running": "R"},
)

VRRP: Final = Menu(
    "/interface/vrrp",
    (
        *_INTERFACE_PROPERTIES,
        Property("interface", name_in("/interface"), required=True),
        Property("vrid", whole(1, 255), "1"),
        Property("priority", whole(1, 254), "100"),
    ),
    view_of="/interface",
    fixed={"type": "vrrp"},
    name_stem="vrrp",
    flags=FLAGS | {"running": "R"},
)

ADDRESS: Final = Menu(
    "/ip/address",
    (
        Property("address", IP_WITH_PREFIX, required=True),
        Property("network", IP),
        Property("interface", name_in("/interface"), required=True),
        Property("actual-interface", TEXT, read_only=True),
        Property("invalid", BOOLEAN, "false", read_only=True),
        DYNAMIC,
        DISABLED,
        COMMENT,
    ),
    uniques=(Unique(("address", "interface"), "failure: already have such address", unless="disabled"),),
    flags=FLAGS | {"invalid": "I"},
    columns=("address", "network", "interface"),
)

ARP: Final = Menu(
    "/ip/arp",
    (
        Property("address", IP, required=True),
        Property("mac-address", MAC),
        Property("interface", name_in("/interface"), required=True),
        Property("published", BOOLEAN, "false"),
        Property("status", TEXT, "permanent", read_only=True),
        Property("invalid", BOOLEAN, "false", read_only=True),
        Property("DHCP", BOOLEAN, "false", read_only=True),
        Property("complete", BOOLEAN, "true", read_only=True),
        DYNAMIC,
        DISABLED,
        COMMENT,
    ),
    uniques=(Unique(("address", "interface"), "failure: already have such entry", unless="dynamic"),),
    flags=FLAGS | {"invalid": "I", "DHCP": "H", "published": "P", "complete": "C"},
    columns=("address", "mac-address", "interface", "status"),
)

POOL: Final = Menu(
    "/ip/pool",
    (
        Property("name", STRING, required=True),
        Property("ranges", TEXT, required=True),
        Property("next-pool", name_in("/ip/pool", "none")),
        COMMENT,
    ),
    uniques=(Unique(("name",), "failure: pool with such name exists"),),
    verbs=LIST_VERBS - {"enable", "disable"},
    columns=("name", "ranges"),
)

_POLICY: Final = "ftp,reboot,read,write,policy,test,password,sniff,sensitive,romon"

SCRIPT: Final = Menu(
    "/system/script",
    (
        Property("name", STRING),
        Property("owner", STRING, "admin", read_only=True),
        Property("policy", TEXT, _POLICY),
        Property("dont-require-permissions", BOOLEAN, "false"),
        Property("run-count", TEXT, "0", read_only=True),
        Property("source", STRING, ""),
        Property("invalid", BOOLEAN, "false", read_only=True),
        COMMENT,
    ),
    uniques=(Unique(("name",), "failure: item with this name already exists"),),
    verbs=LIST_VERBS - {"enable", "disable"},
    name_stem="script",
    flags={"invalid": "I"},
)

SCHEDULER: Final = Menu(
    "/system/scheduler",
    (
        Property("name", STRING),
        Property("start-date", TEXT),
        Property("start-time", TEXT, "startup"),
        Property("interval", DURATION, "0s"),
        Property("on-event", STRING, ""),
        Property("owner", STRING, "admin", read_only=True),
        Property("policy", TEXT, _POLICY),
        Property("run-count", TEXT, "0", read_only=True),
        DISABLED,
        COMMENT,
    ),
    uniques=(Unique(("name",), "failure: item with this name already exists"),),
    name_stem="schedule",
    flags={"disabled": "X"},
    columns=("name", "start-time", "interval", "on-event", "run-count"),
)

IDENTITY: Final = Menu("/system/identity", (Property("name", STRING, "MikroTik"),), verbs=SETTINGS_VERBS, single=True)

RESOURCE: Final = Menu(
    "/system/resource",
    tuple(
        Property(name, UPTIME if name == "uptime" else TEXT, value, read_only=True)
        for name, value in (
            ("uptime", "0s"),
            ("version", ""),
            ("build-time", "2024-12-20 12:00:00"),
            ("factory-software", "7.1"),
            ("free-memory", "201326592"),
            ("total-memory", "268435456"),
            ("cpu", "simulated"),
            ("cpu-count", "1"),
            ("cpu-frequency", "880"),
            ("cpu-load", "1"),
            ("free-hdd-space", "4194304"),
            ("total-hdd-space", "16777216"),
            ("architecture-name", "x86_64"),
            ("board-name", "CHR"),
            ("platform", "MikroTik"),
        )
    ),
    verbs=SETTINGS_VERBS - {"set"},
    single=True,
)

USER: Final = Menu(
    "/user",
    (
        Property("name", STRING, required=True),
        Property("group", one_of("full", "read", "write"), required=True),
        Property("address", TEXT, ""),
        Property("password", STRING, "", secret=True),
        Property("last-logged-in", TEXT, read_only=True),
        Property("expired", BOOLEAN, "false", read_only=True),
        DISABLED,
        COMMENT,
    ),
    uniques=(Unique(("name",), "failure: user with the same name already exists"),),
    flags={"disabled": "X", "expired": "E"},
    columns=("name", "group", "address", "last-logged-in"),
)


MENUS: Final = (INTERFACE, BRIDGE, VLAN, VRRP, ADDRESS, ARP, POOL, SCRIPT, SCHEDULER, IDENTITY, RESOURCE, USER)
