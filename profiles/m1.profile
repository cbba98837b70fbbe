# M1, M1 Pro, M1 Max (h13): the older dialect
base = safe
program = 1.0              # B: maderix/ANE BENCHMARK_REPORT: program(1.3) gives partial results
program ~ 1.3              # C: the same report, some programs
opset = ios16              # B: skyfallsin/ANE-LM: the dialect that goes with 1.0
slice_clamp = 4094         # B: ANEForge
kernel_width = 13          # B: ANEForge
axis = 16384               # B: ANEForge
ops.fails = affine crop_resize resample topk argsort # B: ANEForge op catalog
ops.fails = sin cos        # B: ANEForge op catalog: from A15 and M3 on
ops.fails = slice_update   # B: ANEForge op catalog: no dynamic slice
ops.fails = random_bernoulli random_categorical random_normal random_uniform # B: ANEForge op catalog: from A15 on
cost.dispatch_us = 220     # B: ANEForge analytic model (h13); measured 190 to 230
cost.tflops = 3.25         # B: ANEForge analytic model (h13)
cost.tflops ~ 4.3          # B: ANEForge GEMM on M1; 4.6 on M1 Max; 2.7 in an older suite
cost.matmul_tflops = 4.3   # B: ANEForge GEMM on M1
cost.matmul_tflops ~ 2.7   # B: ANEForge GEMM on M1, an older suite
cost.weight_gbs = 9        # B: ANEForge analytic model (h13)
cost.weight_gbs ~ 51       # B: ANEForge, decoding
cost.weight_gbs ~ 61       # B: anemll-bench: the head of a language model
cost.sram_bytes = 8388608  # C: AmiraniLabs/libane, a table without measurements
cost.sram_bytes ~ 33554432 # B: maderix/ANE, mechramc/Orion: a cliff at some 32 MB
cost.cores = 4             # B: ANEForge costmodel_curves (H13)
cost.clock_ghz = 1.14      # B: ANEForge: measured
cost.clock_ghz ~ 1.428     # B: ANEForge costmodel_curves (H13)
cost.wake_ms = 260         # B: ANEForge: after 5 s
