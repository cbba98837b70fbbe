# M3, M3 Pro, M3 Max, M3 Ultra (h15)
base = safe
slice_clamp = 4094         # B: ANEForge, M1..M3
axis = 16384               # B: ANEForge, M1..M3
accumulator = 32768        # B: M3 Ultra notes: at 2^15 a partial sum becomes zero; elsewhere infinity
overflow = zero            # B: M3 Ultra notes
overflow ~ inf             # A: 751K study (M4, M6), ANEForge (M1..M5 Pro), none of them on M3
smallest_product = 6.103515625e-05   # B: M3 Ultra notes: products are rounded to fp16 without denormals
smallest_product ~ 1.52587890625e-05 # B: 751K study (M4, M6)
functions = 56             # B: jundot/omlx (M3 Ultra): 112 in two programs
blobs = 128                # B: maderix/ANE inmem_peak (M3 Pro); jundot/omlx (M3 Ultra)
blobs ~ 16                 # C: mechramc/Orion (M4 Max)
op.reduce_mean = decompose # C: fails: Espresso issue 44, h3, m0at/ANEtransformers
op.reduce_mean ~ native    # B: ironmill (M3 Pro)
op.silu = decompose        # C: taken apart by maderix/ANE
op.silu ~ native           # B: ironmill (M3 Pro; error 1.5e-2)
op.tile = decompose        # C: field guide (M3 Max): poisons the process
op.tile ~ native           # B: ironmill (M3 Pro)
ops.fails = mod tan avg_pool max_pool batch_norm neg where # B: ironmill (M3 Pro)
ops.disputed = sin cos     # B: rejected: ironmill (M3 Pro)
op.sin ~ seen              # C: ANEForge op catalog: from A15 and M3 on
op.cos ~ seen              # C: ANEForge op catalog: from A15 and M3 on
op.constexpr_lut_to_dense = fails # B: ironmill (M3 Pro): 4 bits are rejected everywhere
cost.dispatch_us = 346     # B: AmiraniLabs/libane (M3 Pro): 346 to 413
cost.dispatch_us ~ 750     # B: field guide (M3 Max), conversion included
cost.tflops = 15           # B: maderix/ANE (M3 Pro): sustained
cost.tflops ~ 16.8         # B: maderix/ANE (M3 Pro): peak
cost.matmul_tflops = 3.87  # B: M3 Ultra notes: one of its two engines, weights as an input
cost.weight_gbs = 120      # B: anemll-bench (M3 Max): the head of a language model
cost.sram_bytes = 33554432 # B: maderix/ANE, mechramc/Orion: a cliff at some 32 MB; AmiraniLabs/libane
cost.cores = 4             # B: ANEForge costmodel_curves (H15); 32 for H15c
cost.clock_ghz = 1.524     # B: ANEForge costmodel_curves (H15), effective
cost.clock_ghz ~ 2.064     # B: ANEForge costmodel_curves (H15), nominal
