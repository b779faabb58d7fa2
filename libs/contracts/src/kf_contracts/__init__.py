"""What Kefu's services say to each other: events, commands, subjects, streams and the knowledge API."""
