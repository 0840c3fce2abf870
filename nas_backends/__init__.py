"""Speaking to NASes: dialects understand commands, transports carry them. Knows the domain and no database."""
