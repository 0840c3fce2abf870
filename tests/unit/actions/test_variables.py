"""Every variable of the original, in both spellings and both notations."""

from __future__ import annotations

import pytest

from actions.variables import ADDRESSES, CANONICAL, SAMPLES, SCOPES, SECRETS, action_named, scope_of
from ebs_core.domain.actions import Action
from ebs_core.domain.errors import InputError
from tests.unit.actions import problems, render

# The names as the original's documentation lists them, written out once more so that none can get lost.
ACCOUNT = """account_id ballance credit datetime tarif_id access_parameters_id time_access_service_id traffic_transmit_service_id
cost reset_tarif_cost settlement_period_id tarif_active acctf_id account_created disabled_by_limit balance_blocked nas_id
ipn_status ipn_speed vpn_speed ipn_added allow_express_pay account_status username password current_acctf allow_ipn_with_null
allow_ipn_with_minus allow_ipn_with_block userblock_max_days""".split()
SUBACCOUNT = """id account_id username password vpn_ip_address ipn_ip_address ipn_mac_address nas_id ipn_added ipn_enabled
need_resync speed switch_id switch_port allow_dhcp allow_dhcp_with_null allow_dhcp_with_minus allow_dhcp_with_block
allow_vpn_with_null allow_vpn_with_minus allow_vpn_with_block associate_pptp_ipn_ip
associate_pppoe_ipn_mac ipn_speed vpn_speed allow_addonservice
allow_ipn_with_null allow_ipn_with_minus allow_ipn_with_block vlan vpn_ipv6_ip_address ipv4_ipn_pool_id
ipv4_vpn_pool_id""".split()
NAS = """id type name ipaddress secret login password allow_pptp allow_pppoe allow_ipn user_add_action user_enable_action
user_disable_action user_delete_action vpn_speed_action ipn_speed_action reset_action speed_vendor_1 speed_vendor_2
speed_attr_id1 speed_attr_id2 speed_value1 speed_value2 identify subacc_add_action subacc_enable_action subacc_disable_action
subacc_del_action subacc_ipn_speed_action acct_interim_interval""".split()
SPEED = """access_type max_limit_tx max_limit_rx burst_limit_tx burst_limit_rx burst_treshold_tx burst_treshold_rx
burst_time_tx burst_time_rx priority min_limit_tx min_limit_rx""".split()
SESSION = "session nas_port_id framed_ip_address".split()

MARKED = {name: f"<{name}>" for name in SAMPLES}
"""Each variable's value says which variable it is."""


def shown(name: str, action: str) -> set[str]:
    """What a name yields, in every notation."""
    return {render(text, action, **MARKED).values[0] for text in (f"{{{{ {name} }}}}", f"${name}", f"${{{name}}}")}


@pytest.mark.parametrize("action", ["subaccount_add", "session_speed"])
@pytest.mark.parametrize("name", SUBACCOUNT)
def test_subaccount_names_prefixed_and_bare(name: str, action: str) -> None:
    assert shown(f"subacc_{name}", action) == {f"<subacc_{name}>"}
    assert shown(name, action) == {"<nas_id>" if name == "nas_id" else f"<subacc_{name}>"}


@pytest.mark.parametrize("name", ACCOUNT)
def test_account_names_prefixed_and_bare(name: str) -> None:
    for action in ("account_add", "subaccount_add", "session_reset"):
        assert shown(f"acc_{name}", action) == {f"<acc_{name}>"}
    assert shown(name, "account_add") == {"<nas_id>" if name == "nas_id" else f"<acc_{name}>"}
    if name not in SUBACCOUNT:
        assert shown(name, "subaccount_add") == {f"<acc_{name}>"}


@pytest.mark.parametrize("name", NAS)
def test_nas_names_prefixed_and_bare(name: str) -> None:
    for action in ("account_add", "subaccount_add", "session_reset"):
        assert shown(f"nas_{name}", action) == {f"<nas_{name}>"}
    if name not in [*ACCOUNT, "id"]:
        assert shown(name, "account_add") == {f"<nas_{name}>"}
    if name not in [*ACCOUNT, *SUBACCOUNT]:
        assert shown(name, "subaccount_add") == {f"<nas_{name}>"}


@pytest.mark.parametrize("name", SPEED)
def test_speed_names_everywhere(name: str) -> None:
    for action in ("account_speed", "subaccount_add", "session_speed"):
        assert shown(name, action) == {f"<{name}>"}


@pytest.mark.parametrize("name", SESSION)
def test_session_names_only_in_session_actions(name: str) -> None:
    assert shown(name, "session_reset") == {f"<{name}>"}
    assert problems(f"a {{{{ {name} }}}}") == [
        f"t.j2:1:6: unknown variable '{name}': only session_speed and session_reset know it"
    ]


@pytest.mark.parametrize(
    ("alias", "action", "canonical"),
    [
        ("balance", "account_add", "acc_ballance"),
        ("acc_balance", "subaccount_add", "acc_ballance"),
        ("tariff_id", "account_add", "acc_tarif_id"),
        ("acc_tariff_active", "subaccount_add", "acc_tarif_active"),
        ("acc_reset_tariff_cost", "account_add", "acc_reset_tarif_cost"),
        ("acc_id", "subaccount_add", "acc_account_id"),
        ("id", "account_add", "acc_account_id"),
        ("burst_threshold_rx", "subaccount_speed", "burst_treshold_rx"),
        ("nas_subacc_delete_action", "subaccount_add", "nas_subacc_del_action"),
        ("acc_full_name", "subaccount_add", "acc_full_name"),
        ("subacc_comment", "subaccount_add", "subacc_comment"),
        ("comment", "account_add", "acc_comment"),
        ("contract", "subaccount_add", "acc_contract"),
        ("slot", "account_add", "slot"),
        ("tag", "session_reset", "tag"),
        ("placement_id", "subaccount_add", "placement_id"),
    ],
)
def test_aliases_and_own(alias: str, action: str, canonical: str) -> None:
    assert shown(alias, action) == {f"<{canonical}>"}


def test_canonical_names_are_complete_and_nothing_else() -> None:
    expected = {
        f"{prefix}_{name}" for prefix, names in (("acc", ACCOUNT), ("subacc", SUBACCOUNT), ("nas", NAS)) for name in names
    }
    expected |= {*SPEED, *SESSION, "slot", "tag", "placement_id", "options"}
    expected |= {"acc_full_name", "acc_comment", "acc_contract", "subacc_comment", "nas_comment"}
    expected |= {"acc_phone", "acc_email", "acc_postal_address", "acc_tariff_name", "acc_bonus_balance"}
    assert expected == CANONICAL
    assert {name for scope in SCOPES.values() for name in scope.canonical} == CANONICAL
    assert SECRETS < CANONICAL and ADDRESSES < CANONICAL


@pytest.mark.parametrize(
    ("name", "action", "why"),
    [
        ("vlan", "account_add", "it belongs to a subaccount, and this action is for an account"),
        ("subacc_vlan", "account_add", "it belongs to a subaccount, and this action is for an account"),
        ("addons_id", "subaccount_add", "add-on services do not exist in EBS yet"),
        ("subacc_vlam", "subaccount_add", "did you mean 'subacc_vlan'?"),
        ("subacc_vlan", "bootstrap", "bootstrap prepares a NAS and knows only nas_… and options"),
        ("tag", "bootstrap", "bootstrap prepares a NAS and knows only nas_… and options"),
    ],
)
def test_unknown_names_say_why(name: str, action: str, why: str) -> None:
    (problem,) = problems(f"x {{{{ {name} }}}}", action)
    assert problem.startswith(f"t.j2:1:6: unknown variable '{name}'")
    assert problem.endswith(why)


def test_actions_by_both_names() -> None:
    assert action_named("subacc_del_action") is action_named("subaccount_delete") is Action.SUBACCOUNT_DELETE
    assert scope_of("user_add_action") is SCOPES["account"]
    with pytest.raises(InputError, match=r"no action 'subaccount_ad'\n.*did you mean 'subaccount_add'"):
        action_named("subaccount_ad")
