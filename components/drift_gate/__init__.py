"""DriftGate: warns of, or holds, new images that differ from those accepted before."""
