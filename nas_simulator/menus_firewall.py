"""Menus of the firewall, the queues and DNS."""

from __future__ import annotations

from typing import Final

from nas_simulator.kinds import (
    BOOLEAN,
    DURATION,
    DURATION_PAIR,
    IP,
    LIST_ADDRESS,
    RATE,
    RATE_PAIR,
    STRING,
    TARGET,
    TEXT,
    TIMEOUT,
    name_in,
    one_of,
    whole,
    whole_pair,
)
from nas_simulator.schema import COMMENT, DISABLED, DYNAMIC, FLAGS, Menu, Property, Unique

ADDRESS_LIST: Final = Menu(
    "/ip/firewall/address-list",
    (
        Property("list", TEXT, required=True),
        Property("address", LIST_ADDRESS, required=True),
        Property("creation-time", TEXT, read_only=True),
        Property("timeout", TIMEOUT),
        DYNAMIC,
        DISABLED,
        COMMENT,
    ),
    uniques=(Unique(("list", "address"), "failure: already have such entry", unless="disabled"),),
    flags=FLAGS,
    columns=("list", "address", "creation-time", "timeout"),
)

_MATCHERS: Final = (
    Property("src-address", LIST_ADDRESS),
    Property("dst-address", LIST_ADDRESS),
    Property("src-address-list", TEXT),
    Property("dst-address-list", TEXT),
    Property("in-interface", name_in("/interface", "all")),
    Property("out-interface", name_in("/interface", "all")),
    Property("src-mac-address", TEXT),
    Property("protocol", TEXT),
    Property("src-port", TEXT),
    Property("dst-port", TEXT),
    Property("connection-state", TEXT),
    Property("connection-mark", TEXT),
    Property("packet-mark", TEXT),
    Property("jump-target", TEXT),
    Property("address-list", TEXT),
    Property("address-list-timeout", TIMEOUT),
    Property("limit", TEXT),
)
_LOGGING: Final = (Property("log", BOOLEAN, "false"), Property("log-prefix", STRING, ""))
_COUNTERS: Final = (
    Property("bytes", TEXT, "0", read_only=True),
    Property("packets", TEXT, "0", read_only=True),
    Property("invalid", BOOLEAN, "false", read_only=True),
)

FILTER: Final = Menu(
    "/ip/firewall/filter",
    (
        Property("chain", TEXT, required=True),
        Property(
            "action",
            one_of(
                "accept",
                "add-dst-to-address-list",
                "add-src-to-address-list",
                "drop",
                "fasttrack-connection",
                "jump",
                "log",
                "passthrough",
                "reject",
                "return",
                "tarpit",
            ),
            "accept",
        ),
        *_MATCHERS,
        Property("reject-with", TEXT),
        *_LOGGING,
        *_COUNTERS,
        DYNAMIC,
        DISABLED,
        COMMENT,
    ),
    ordered=True,
    flags=FLAGS | {"invalid": "I"},
)

NAT: Final = Menu(
    "/ip/firewall/nat",
    (
        Property("chain", TEXT, required=True),
        Property(
            "action",
            one_of("accept", "dst-nat", "jump", "log", "masquerade", "netmap", "passthrough", "redirect", "return", "src-nat"),
            "accept",
        ),
        *_MATCHERS,
        Property("to-addresses", LIST_ADDRESS),
        Property("to-ports", TEXT),
        *_LOGGING,
        *_COUNTERS,
        DYNAMIC,
        DISABLED,
        COMMENT,
    ),
    ordered=True,
    flags=FLAGS | {"invalid": "I"},
)

SIMPLE_QUEUE: Final = Menu(
    "/queue/simple",
    (
        Property("name", STRING),
        Property("target", TARGET, ""),
        Property("dst", TARGET),
        Property("parent", name_in("/queue/simple", "none"), "none"),
        Property("packet-marks", TEXT, ""),
        Property("priority", whole_pair(1, 8), "8/8"),
        Property("queue", TEXT, "default-small/default-small"),
        Property("limit-at", RATE_PAIR, "0/0"),
        Property("max-limit", RATE_PAIR, "0/0"),
        Property("burst-limit", RATE_PAIR, "0/0"),
        Property("burst-threshold", RATE_PAIR, "0/0"),
        Property("burst-time", DURATION_PAIR, "0s/0s"),
        Property("bucket-size", TEXT, "0.1/0.1"),
        Property("time", TEXT),
        Property("bytes", TEXT, "0/0", read_only=True),
        Property("packets", TEXT, "0/0", read_only=True),
        Property("rate", TEXT, "0/0", read_only=True),
        Property("invalid", BOOLEAN, "false", read_only=True),
        DYNAMIC,
        DISABLED,
        COMMENT,
    ),
    uniques=(Unique(("name",), "failure: already have such name"),),
    ordered=True,
    name_stem="queue",
    flags=FLAGS | {"invalid": "I"},
)

QUEUE_TREE: Final = Menu(
    "/queue/tree",
    (
        Property("name", STRING),
        Property("parent", TEXT, required=True),
        Property("packet-mark", TEXT, ""),
        Property("priority", whole(1, 8), "8"),
        Property("queue", TEXT, "default-small"),
        Property("limit-at", RATE, "0"),
        Property("max-limit", RATE, "0"),
        Property("burst-limit", RATE, "0"),
        Property("burst-threshold", RATE, "0"),
        Property("burst-time", DURATION, "0s"),
        Property("bucket-size", TEXT, "0.1"),
        Property("bytes", TEXT, "0", read_only=True),
        Property("packets", TEXT, "0", read_only=True),
        Property("rate", TEXT, "0", read_only=True),
        Property("invalid", BOOLEAN, "false", read_only=True),
        DISABLED,
        COMMENT,
    ),
    uniques=(Unique(("name",), "failure: already have such name"),),
    name_stem="queue",
    flags={"disabled": "X", "invalid": "I"},
)

DNS_STATIC: Final = Menu(
    "/ip/dns/static",
    (
        Property("name", TEXT),
        Property("regexp", STRING),
        Property("type", one_of("A", "AAAA", "CNAME", "FWD", "MX", "NS", "NXDOMAIN", "SRV", "TXT"), "A"),
        Property("address", IP),
        Property("cname", TEXT),
        Property("text", STRING),
        Property("forward-to", TEXT),
        Property("ttl", DURATION, "1d"),
        DYNAMIC,
        DISABLED,
        COMMENT,
    ),
    uniques=(Unique(("name", "regexp", "type", "address", "cname", "text"), "failure: entry already exists"),),
    flags=FLAGS,
    columns=("name", "type", "address", "ttl"),
)

MENUS: Final = (ADDRESS_LIST, FILTER, NAT, SIMPLE_QUEUE, QUEUE_TREE, DNS_STATIC)
