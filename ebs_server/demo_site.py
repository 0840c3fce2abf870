"""The demo's provider: a site file with three NASes, three tariffs and as many subscribers as wanted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from nas_simulator import SimulatedNas

LOGIN, PASSWORD = "ebs", "demo-password"
CENTER, NORTH, SOUTH = "nas-center", "nas-north", "nas-south"
VERSIONS = {CENTER: "7.16.2", NORTH: "6.49.10", SOUTH: "6.42.12"}
STREETS = ("Лесная", "Садовая", "Набережная", "Мира", "Гагарина", "Школьная")
FIRST = ("Анна", "Борис", "Вера", "Глеб", "Дарья", "Егор", "Жанна", "Игорь", "Лидия", "Олег")
LAST = ("Лебедь", "Коваленко", "Мороз", "Сокол", "Бондаренко", "Кравец", "Дубина", "Заяц", "Гончар", "Орел", "Шевченко")
TARIFFS = ("Дом 20", "Дом 50", "PPPoE 100")
BURST = {"burst_download": "80M", "burst_threshold_download": "40M", "burst_time_download": "12"}


def site_file(nases: Mapping[str, SimulatedNas], subscribers: int) -> str:
    """The text of a site file (JSON is YAML), one object per line. Subscriber a-N is on the NAS number N modulo 3."""
    document: dict[str, list[dict[str, Any]]] = {
        "nases": [_nas(name, nas) for name, nas in nases.items()],
        "tariffs": [
            {"name": "Дом 20", "speed": {"download": "20M", "upload": "10M"}},
            {"name": "Дом 50", "speed": {"download": "50M", "upload": "20M", **BURST}},
            {"name": "PPPoE 100", "access_type": "pppoe", "nas_actions": True, "speed": {"download": "100M", "upload": "100M"}},
        ],
        "accounts": [_account(number, list(nases)[number % 3]) for number in range(1, subscribers + 1)],
    }
    lines = []
    for section, rows in document.items():
        lines.append(f"{section}:")
        lines += [f"  - {json.dumps(row, ensure_ascii=False)}" for row in rows]
    return "\n".join(lines) + "\n"


def _nas(name: str, nas: SimulatedNas) -> dict[str, Any]:
    row: dict[str, Any] = {"name": name, "profile": "mikrotik", "address": "127.0.0.1", "login": LOGIN, "password": PASSWORD}
    row["options"] = {"subscriber_interface": "ether2"}
    if name == NORTH:
        return {**row, "transport": "ssh", "port": nas.ssh_port, "host_key": nas.host_key}
    return {**row, "transport": "routeros_api", "port": nas.api_port}


def _account(number: int, nas: str) -> dict[str, Any]:
    name = f"{LAST[number % len(LAST)]} {FIRST[number % len(FIRST)]}, ул. {STREETS[number % len(STREETS)]}, кв. {number}"
    return {
        "username": f"a-{number:04d}",
        "full_name": name,
        "balance": "-15.50" if number % 10 == 7 else f"{number % 90 + 5}.00",
        "tariff": TARIFFS[number % 3],
        "subaccounts": [
            {
                "username": f"a-{number:04d}-1",
                "password": f"секрет-{number}",
                "nas": nas,
                "ipn_ip_address": f"10.77.{number // 250}.{number % 250 + 1}",
                "ipn_mac_address": f"02:00:00:00:{number // 256:02x}:{number % 256:02x}",
                "vlan": str(100 + number % 50),
            }
        ],
    }
