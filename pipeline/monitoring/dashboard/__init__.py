"""The dashboard: what a workspace did and holds, as pages for a person who was away."""
