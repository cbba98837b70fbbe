# M4, M4 Pro, M4 Max (h16)
base = safe
axis = 65536               # B: ANEForge, M4 and later
axis ~ 16384               # C: mechramc/Orion, AmiraniLabs/libane stay below it
channels = 65536           # B: ANEForge
channels ~ 16384           # B: AmiraniLabs/libane
slice_clamp = none         # B: ANEForge: fixed from M4 on
conv_outputs = 16384       # B: mechramc/Orion (M4 Max): 32000 is rejected
conv_blocks = 383          # B: maderix/ANE part 4 (M4): 384 and more fail
blobs = 16                 # C: mechramc/Orion (M4 Max), macOS 15 and 26.5
blobs ~ 128                # B: maderix/ANE inmem_peak (M4): from one file
products = fixed           # B: 751K study (M4): a fixed point with 16 bits behind it
smallest_product = 1.52587890625e-05 # B: 2^-16: 751K study (M4)
last_axis = 32             # A: no source contradicts multiples of it
last_axis ~ 16             # C: mechramc/Orion (M4 Max) reads fp16 rows of 16 without gaps
cost.dispatch_us = 95      # A: maderix/ANE: 90 to 160
cost.dispatch_us ~ 30      # B: mechramc/Orion (M4 Max): 30 to 95
cost.tflops = 18.6         # B: maderix/ANE: 128 convs of 512 channels in a chain
cost.tflops ~ 11.7         # B: maderix/ANE: one kernel at 64 positions; M4 Pro 12.6, M4 Max 10.9
cost.matmul_tflops = 5.7   # B: maderix/ANE: 2048 x 2048; 4.0 at 4096 x 4096
cost.matmul_tflops ~ 5.4   # B: ANEForge GEMM
cost.int8_tops = 35.1      # B: maderix/ANE: W8A8
cost.weight_gbs = 64       # B: anemll-bench: the head of a language model; M4 Pro 126, M4 Max 119
cost.sram_bytes = 33554432 # B: maderix/ANE, mechramc/Orion: a cliff at some 32 MB
cost.sram_bytes ~ 50331648 # C: AmiraniLabs/libane, a table without measurements
cost.cores = 4             # B: ANEForge costmodel_curves (H16); 16 for H16s
cost.clock_ghz = 1.62      # B: ANEForge costmodel_curves (H16), effective
cost.clock_ghz ~ 2.16      # B: ANEForge costmodel_curves (H16), nominal
cost.watts = 4.6           # B: maderix/ANE; 12.3 in W8A8
cost.watts ~ 2.8           # C: maderix/ANE, an earlier figure
