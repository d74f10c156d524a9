"""What came of a run or an evaluation, kept and printed."""
