"""The values that templates are given and the names that they may use are the same."""

from __future__ import annotations

from actions.variables import CANONICAL, SECRETS
from ebs_core.domain.text import Secret
from ebs_core.services.variables import VARIABLES, column_of, identity, keep, restore
from ebs_server.bootstrap import Site
from tests.integration.services.conftest import facts_of


def test_every_name_has_a_value_and_every_value_a_name() -> None:
    assert set(VARIABLES) == set(CANONICAL)


def test_every_identity_variable_of_a_subscriber_has_a_column() -> None:
    for name in identity(CANONICAL):
        assert (column_of(name) is None) == (name.startswith("nas_") or name == "options"), name


def test_all_values_can_be_taken_from_a_real_subscriber(site: Site) -> None:
    facts = facts_of(site)
    values = {name: getter(facts) for name, getter in VARIABLES.items()}
    assert values["subacc_ipn_ip_address"] == "10.77.0.1"
    assert values["acc_tarif_id"] == facts.tariff.id
    assert values["max_limit_tx"] == 20_000_000
    assert values["max_limit_rx"] == 50_000_000
    assert values["acc_acctf_id"] is not None
    assert all(isinstance(values[name], Secret) for name in SECRETS)
    assert values["subacc_password"] == "секрет-1"


def test_kept_values_come_back_and_have_no_secret_in_clear(site: Site) -> None:
    facts = facts_of(site)
    names = identity(CANONICAL)
    kept = keep(names, facts)
    assert "секрет-1" not in str(kept)
    back = restore(kept, site.secrets)
    assert back["subacc_password"] == "секрет-1"
    assert back["subacc_vlan"] == 101
    assert back["subacc_ipn_ip_address"] == "10.77.0.1"
