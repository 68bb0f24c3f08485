"""HPatchLite through the PyPI package `hdiffpatch`: make a patch for the small applier, or apply one."""
import sys
import hdiffpatch

verb, codec, window, old, given, result = sys.argv[1:]
with open(old, "rb") as old_file, open(given, "rb") as given_file:
    old_bytes, given_bytes = old_file.read(), given_file.read()
if verb == "apply":
    out = hdiffpatch.apply_lite(old_bytes, given_bytes)
elif codec == "tuz":
    config = hdiffpatch.TuzConfig(dict_size=int(window), literal_line=True)
    out = hdiffpatch.diff_lite(old_bytes, given_bytes, compression=config, validate=False)
else:
    config = hdiffpatch.LzmaConfig(level=9, window=int(window))
    out = hdiffpatch.diff_lite(old_bytes, given_bytes, compression=config, validate=False)
with open(result, "wb") as result_file:
    result_file.write(out)
