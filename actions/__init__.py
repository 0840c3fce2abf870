"""The catalogue of actions and profiles, the template renderer and the template checker. Knows the domain only."""
