"""The Beam pipeline from files to shards of examples."""

import apache_beam as beam

from components.image_example_gen import names
from components.image_example_gen import report as reports
from components.image_example_gen.shuffle.decoding import COUNTS, DecodeParts
from components.image_example_gen.shuffle.plan import Plan
from components.image_example_gen.shuffle.shards import WriteShards, shard_groups


def convert(
    pipeline: beam.Pipeline,
    plan: Plan,
    decode: DecodeParts,
    find: beam.DoFn | None,
    write: WriteShards,
    *,
    group: bool,
) -> tuple[beam.PCollection, beam.PCollection]:
    """Decodes the parts of a plan, finds near-duplicates and writes the shards.

    Args:
        pipeline: empty; it is not run.
        plan: what is to be done.
        decode, find, write: its steps; without `find`, there are no near-duplicates.
        group: whether near-duplicates are kept in one split.

    Returns:
        A list of (path, reason) of the first rejected files, and counts by (kind, name).
    """
    decoded = (
        pipeline
        | "Parts" >> beam.Create(plan.parts)
        # Otherwise one worker would decode all files.
        | "SpreadParts" >> beam.Reshuffle()
        | "Decode" >> beam.ParDo(decode).with_outputs(names.REJECTED, COUNTS, main="names")
    )
    counted_before = pipeline | "CountsBefore" >> beam.Create(plan.counts.items())
    all_counts, near = [decoded[COUNTS], counted_before], None
    if find is not None:
        compared = (
            pipeline
            | "Once" >> beam.Create([None])
            | "FindNearDuplicates"
            >> beam.ParDo(find, beam.pvalue.AsList(decoded.names)).with_outputs(
                COUNTS, main="decided"
            )
        )
        all_counts.append(compared[COUNTS])
        if group:
            near = beam.pvalue.AsSingleton(compared.decided)
    written = (
        pipeline
        | "Shards" >> beam.Create(shard_groups(plan.shards))
        | "SpreadShards" >> beam.Reshuffle()
        | "WriteShards" >> beam.ParDo(write, beam.pvalue.AsList(decoded.names), near)
    )
    counts = (
        [*all_counts, written] | "Counts" >> beam.Flatten() | "SumCounts" >> beam.CombinePerKey(sum)
    )
    rejected_before = pipeline | "RejectedBefore" >> beam.Create(plan.rejected)
    first = (
        [decoded[names.REJECTED], rejected_before]
        | "Rejected" >> beam.Flatten()
        | "FirstRejected" >> beam.combiners.Top.Smallest(reports.MAX_REJECTED_FILES)
    )
    return first, counts
