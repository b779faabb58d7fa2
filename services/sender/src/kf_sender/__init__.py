"""The only service that changes anything in WeCom: ledger, limiter, order, errcodes."""
