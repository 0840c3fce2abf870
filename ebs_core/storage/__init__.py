"""Tables, the engine and the repositories. The only place that speaks SQL."""
