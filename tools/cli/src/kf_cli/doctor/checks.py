"""All checks, in the order in which they are shown; each one stands behind what it needs."""

from kf_cli.doctor import (
    accounts,
    callback,
    configuration,
    knowledge,
    machine,
    model,
    nats,
    network,
    postgres,
    sending,
    telemetry,
    wecom,
)
from kf_cli.doctor.examination import Check

ALL: tuple[Check, ...] = (
    *configuration.CHECKS,
    *accounts.CHECKS,
    *machine.CHECKS,
    *nats.CHECKS,
    *postgres.CHECKS,
    *network.CHECKS,
    *wecom.CHECKS,
    *callback.CHECKS,
    *model.CHECKS,
    *knowledge.CHECKS,
    *sending.CHECKS,
    *telemetry.CHECKS,
)


def with_needs(names: set[str]) -> tuple[Check, ...]:
    """The named checks and all that they need, in order; KeyError for a name that is none."""
    known = {check.name: check for check in ALL}
    wanted: set[str] = set()

    def add(name: str) -> None:
        wanted.add(name)
        for needed in known[name].needs:
            add(needed)

    # The settings decide what may be tried at all.
    for name in {"settings"} | names:
        add(name)
    return tuple(check for check in ALL if check.name in wanted)
