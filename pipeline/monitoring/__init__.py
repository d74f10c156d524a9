"""How outcomes reach people: webhook, Prometheus, dashboard."""
