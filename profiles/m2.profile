# M2, M2 Pro, M2 Max (h14)
base = safe
slice_clamp = 4094         # B: ANEForge, M1..M3
axis = 16384               # B: ANEForge, M1..M3
accumulator = 32768        # B: ANEForge (M2 Pro): a cliff at 32752 to 32759
ops.fails = sin cos        # C: ANEForge op catalog: from A15 and M3 on
cost.tflops = 7.24         # B: ANEForge analytic model (M2 Pro)
cost.ramp_flops = 1.8e10   # B: ANEForge analytic model (M2 Pro)
cost.ramp_power = 0.38     # B: ANEForge analytic model (M2 Pro)
cost.matmul_tflops = 3.4   # B: ANEForge GEMM (M2 Pro)
cost.weight_gbs = 60       # B: anemll-bench: the head of a language model
cost.sram_bytes = 16777216 # C: AmiraniLabs/libane, a table without measurements
cost.sram_bytes ~ 33554432 # B: maderix/ANE, mechramc/Orion: a cliff at some 32 MB
cost.cores = 4             # B: ANEForge costmodel_curves (H14)
cost.clock_ghz = 1.452     # B: ANEForge costmodel_curves (H14), effective
cost.clock_ghz ~ 1.938     # B: ANEForge costmodel_curves (H14), nominal
