"""`chat`: an interactive line mode on top of the daemon's event stream."""
