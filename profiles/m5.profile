# M5, M5 Pro, M5 Max (h17)
base = safe
axis = 65536               # B: ANEForge, M4 and later
channels = 65536           # B: ANEForge
channels ~ 16384           # B: AmiraniLabs/libane
slice_clamp = none         # B: ANEForge: fixed from M4 on
kernel_width = 15          # B: ANEForge, M5
functions = 56             # B: jundot/omlx (M5 Pro): 112 in two programs; FlashNext (M5 Max): 2, submitted 23% faster
blobs = 128                # B: maderix/ANE inmem_peak (M5); jundot/omlx (M5 Pro)
blobs ~ 16                 # C: mechramc/Orion (M4 Max)
op.gelu = native           # B: ANEForge sweep (M5 Pro), with a mode; error 6e-3 in either mode
op.silu = native           # B: ANEForge sweep (M5 Pro); error 1.5e-2
op.layer_norm = native     # B: ANEForge sweep (M5 Pro); error 3.9e-4
op.reduce_mean = native    # B: ANEForge sweep (M5 Pro); error 8e-4
op.reduce_mean ~ fails     # C: m0at/ANEtransformers (M5)
ops.seen = sin cos         # B: ANEForge sweep (M5 Pro); error 5e-4
ops.seen = affine topk avg_pool max_pool batch_norm constexpr_lut_to_dense # B: ANEForge sweep (M5 Pro)
op.constexpr_affine_dequantize = disputed     # C: fails: m0at/ANEtransformers (M5)
op.constexpr_affine_dequantize ~ seen         # B: ANEForge sweep (M5 Pro; error 5e-4)
op.constexpr_blockwise_shift_scale = seen     # B: jundot/omlx (M5), ANEForge sweep (M5 Pro; error 3.8e-4)
op.constexpr_blockwise_shift_scale ~ fails    # C: m0at/ANEtransformers (M5)
cost.dispatch_us = 74      # B: ANEForge (M5 Pro): 63 to 74; m0at/ANEtransformers: 60 to 80
cost.dispatch_us ~ 110     # B: ANEForge analytic model (h17s)
cost.tflops = 18           # B: maderix/ANE: 18.0 to 18.2
cost.tflops ~ 8.9          # B: ANEForge analytic model (h17s)
cost.tflops ~ 14.5         # B: ANEForge ane_cost_model's default
cost.matmul_tflops = 8.7   # B: ANEForge GEMM; 10.0 on M5 Pro
cost.int8_tops = 33.9      # B: maderix/ANE: W8A8; up to 34.2
cost.weight_gbs = 70       # B: anemll-bench: the head of a language model
cost.weight_gbs ~ 57       # B: ANEForge analytic model (h17s)
cost.weight_gbs ~ 143      # B: ANEForge (M5 Pro), K = 8192; 29 at K = 1024, 6 at K = 512
cost.weight_gbs ~ 110      # B: ANEForge ane_cost_model's default
cost.activation_gbs = 24   # B: m0at/ANEtransformers
cost.matmul_floor_us = 74        # B: ANEForge ane_cost_model (M5 Pro), 40 runs, minimum
cost.matmul_knee_flops = 8388608 # B: ANEForge ane_cost_model (M5 Pro): 133 us there
cost.matmul_us_per_flop = 6.362e-6 # B: ANEForge ane_cost_model (M5 Pro)
cost.matmul_base_us = 79.6       # B: ANEForge ane_cost_model (M5 Pro)
cost.conv_floor_us = 75.8        # B: ANEForge ane_cost_model (M5 Pro)
cost.conv_knee_flops = 301989888 # B: ANEForge ane_cost_model (M5 Pro): 101 us there
cost.conv_us_per_flop = 5.096e-8 # B: ANEForge ane_cost_model (M5 Pro), by channels
cost.conv_us_per_flop ~ 1.328e-7 # C: ANEForge ane_cost_model (M5 Pro), by spatial size
cost.conv_base_us = 88.2         # B: ANEForge ane_cost_model (M5 Pro)
cost.conv_base_us ~ 75.3         # C: ANEForge ane_cost_model (M5 Pro), by spatial size
cost.cores = 4             # B: ANEForge costmodel_curves (H17); 16 for H17s
cost.clock_ghz = 1.89      # B: ANEForge: measured
cost.clock_ghz ~ 1.644     # B: ANEForge costmodel_curves (H17), effective
