"""`kf doctor`: examines a whole installation in order of dependency and says what to do about what it finds.

One module per part that is examined (configuration, machine, network, nats, postgres, wecom, callback, model,
knowledge, sending, telemetry). `catalogue` holds the words, `examination` the order, `system` what all share.
"""
