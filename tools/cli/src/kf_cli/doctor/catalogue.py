"""What a finding means in words: an entry of kf_runtime.diagnoses, or an errcode's of kf_wecom.errcodes."""

from kf_runtime.diagnoses import CATALOGUE, HARMS, SYMPTOM_OF_ERRCODE, Diagnosis, Words
from kf_wecom.errcodes import ErrorClass, lookup
from kf_wecom.errors import ApiError

from kf_cli.doctor.finding import Finding, Level

ERRCODE = "errcode."
_HARM_OF_CLASS = {
    ErrorClass.CONFIG: "silent",
    ErrorClass.STATE: "human",
    ErrorClass.BACK_OFF: "late",
    ErrorClass.REFRESH: "late",
    ErrorClass.SERVICER: "handover",
}


def diagnosis(name: str) -> Diagnosis:
    """The entry of a name; KeyError for one that is neither in the catalogue nor an errcode."""
    if name.startswith(ERRCODE):
        return _of_errcode(int(name.removeprefix(ERRCODE)))
    return CATALOGUE[name]


def found(name: str, /, **facts: object) -> Finding:
    """A finding at the level that the catalogue gives it."""
    return Finding(Level(diagnosis(name).level), name, {key: str(value) for key, value in facts.items()})


def refused(error: ApiError, level: Level = Level.FAULT) -> Finding:
    """WeCom refused a call of ours."""
    facts = {"api": error.api, "from_ip": error.from_ip or "?", "hint": error.hint or "-"}
    return Finding(level, f"{ERRCODE}{error.code}", facts)


def explained(finding: Finding) -> Diagnosis:
    """The whole diagnosis of a finding that is one."""
    return diagnosis(finding.diagnosis).of(finding.facts)


def _of_errcode(code: int) -> Diagnosis:
    entry = lookup(code)
    is_fault = entry.error_class in (ErrorClass.CONFIG, ErrorClass.REFRESH)
    return Diagnosis(
        name=f"{ERRCODE}{code}",
        level=Level.FAULT if is_fault else Level.WARNING,
        cause=Words(f"错误码 {code}：{entry.cause_zh}", f"errcode {code}: {entry.cause_en}"),
        harm=HARMS[_HARM_OF_CLASS.get(entry.error_class, "some")],
        remedy=Words(entry.remedy_zh, entry.remedy_en),
        menu=entry.menu,
        prove=f"kf errcode {code} && kf doctor",
        symptom=SYMPTOM_OF_ERRCODE.get(code, "wecom"),
    )
