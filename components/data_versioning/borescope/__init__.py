"""Generator of the embedded sample data: rendered borescope views of a combustor's liner.

    python -m components.data_versioning.borescope --out data

Nothing here is a photograph. A *piece* is a section of liner wall with its own material, seams,
cooling holes, dirt and defects; it is photographed from several positions under several
exposures. The same bytes come out on every machine: all random numbers are integers or exact
fractions of PCG64, and all arithmetic is made of operations that IEEE 754 rounds exactly
(+, -, *, /, square root, comparisons). There is therefore no sine, exponential, power, matrix
product, long sum or image library in the rendering.
"""
