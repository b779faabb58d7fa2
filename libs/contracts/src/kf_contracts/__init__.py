"""Event models, subjects, streams and the generated gRPC code that Kefu's services share."""
