"""The streams and key-value buckets, as design §3 fixes them."""

from nats.js.api import DiscardPolicy, KeyValueConfig, RetentionPolicy, StorageType, StreamConfig

from kf_contracts import subjects

KF_NOTICE = "KF_NOTICE"
KF_INBOUND = "KF_INBOUND"
KF_OUTBOUND = "KF_OUTBOUND"
KF_DELIVERY = "KF_DELIVERY"
KF_DEAD = "KF_DEAD"

KV_CURSOR = "kf_cursor"
KV_TOKEN = "kf_token"  # noqa: S105  a bucket's name
KV_LEASE = "kf_lease"

_DAY = 24 * 3600.0
_DEDUP_SECONDS = 3600.0
"""JetStream's window; behind it the inbox and the ledger refuse doubles for good."""


def stream_configs(replicas: int) -> list[StreamConfig]:
    """Every stream of the product, in `replicas` copies (1 local, 3 in a cluster)."""

    def stream(name: str, prefix: str, retention: RetentionPolicy, days: int = 0) -> StreamConfig:
        return StreamConfig(
            name=name,
            subjects=[f"{prefix}.*"],
            retention=retention,
            max_age=days * _DAY,
            storage=StorageType.FILE,
            num_replicas=replicas,
            duplicate_window=_DEDUP_SECONDS,
            discard=DiscardPolicy.OLD,
        )

    outbound = stream(KF_OUTBOUND, subjects.OUTBOUND, RetentionPolicy.WORK_QUEUE)
    outbound.subjects = [f"{subjects.OUTBOUND}.*", f"{subjects.URGENT}.*"]
    limits, work = RetentionPolicy.LIMITS, RetentionPolicy.WORK_QUEUE
    notice = stream(KF_NOTICE, subjects.NOTICE, work, days=3)
    # A newer notice replaces an older one: both say no more than "go and pull".
    notice.max_msgs_per_subject = 1
    return [
        notice,
        stream(KF_INBOUND, subjects.INBOUND, limits, days=3),
        outbound,
        stream(KF_DELIVERY, subjects.DELIVERY, limits, days=7),
        stream(KF_DEAD, subjects.DEAD, limits, days=30),
    ]


def bucket_configs(replicas: int) -> list[KeyValueConfig]:
    """Every key-value bucket; none has a TTL: a lease names the wall-clock time at which it runs out."""
    return [
        KeyValueConfig(bucket=KV_CURSOR, history=1, replicas=replicas),
        KeyValueConfig(bucket=KV_TOKEN, history=1, replicas=replicas),
        KeyValueConfig(bucket=KV_LEASE, history=1, replicas=replicas),
    ]
