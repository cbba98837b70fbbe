# no Neural Engine: everything on the CPU, or for Core ML to place
#
# Ops are not listed, so passes/ make no program for the engine; check/ looks at the structure alone.
engine = none              # A: by its definition
program = 1.3              # A: docs/mil.md: this project's reader and Core ML take it
opset = ios18              # A: as program
rank = 5                   # C: what Core ML takes
axis = 1099511627776       # A: by its definition: no limit
channels = 1099511627776   # A: by its definition: no limit
last_axis = 32             # A: by its definition: buckets of the same lengths as for the engine
surface_bytes = 1          # A: by its definition: no surfaces
equal_surfaces = false     # A: by its definition: no surfaces
outputs = separate         # A: by its definition
conv_outputs = 1099511627776 # A: by its definition: no limit
functions = 1099511627776  # A: by its definition: no limit
blobs = 1099511627776      # A: by its definition: no limit
blob_files = 1099511627776 # A: by its definition: no limit
weights_bytes = 1099511627776 # A: by its definition: no limit
compiles = 1099511627776   # A: by its definition: no limit
resident = 1099511627776   # A: by its definition: no limit
accumulator = 3.4e38       # A: fp32
smallest_product = 1.2e-38 # A: fp32
smallest_epsilon = 1.2e-38 # A: fp32
cost.weight_gbs = 60       # C: the original project's decoding of GPT-2 on M5: 4 ms for 247 MB
cost.weight_gbs ~ 128      # C: the same: the head of 77 MB in 0.6 ms
