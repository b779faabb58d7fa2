"""Generated from proto/kf_contracts/knowledge/v1 by `make proto`; never edited."""
