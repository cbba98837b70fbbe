# what no source contradicts on any chip from M3 to M5
#
# profiles/README.md says how to read this. All of it is second-hand: nothing was measured by this project.

program = 1.3              # A: maderix/ANE, mechramc/Orion, AmiraniLabs/libane, jundot/omlx; M3..M5, macOS 15..27
program ~ 1.0              # B: skyfallsin/ANE-LM (M3 Max): taken too
opset = ios18              # A: as program
opset ~ ios16              # B: skyfallsin/ANE-LM (M3 Max): taken too, with program 1.0
build_info.coremlc-component-MIL = 3510.2.1       # A: maderix/ANE; that it is there matters, not what (field guide)
build_info.coremlc-component-MIL ~ 3520.4.1       # B: ANEForge: must match the host's tools
build_info.coremlc-version = 3505.4.1             # A: maderix/ANE
build_info.coremlc-version ~ 3520.5.1             # B: ANEForge: must match the host's tools
build_info.coremltools-component-milinternal =    # A: maderix/ANE
build_info.coremltools-version = 9.0              # A: maderix/ANE
functions = 1              # A: every project's programs have one
functions ~ 112            # B: jundot/omlx (M3 Ultra, M5 Pro): 112 in two programs; FlashNext (M5 Max): 2

rank = 5                   # A: ironmill, ANEForge
axis = 16384               # B: ANEForge, for M1..M3; later chips take more
axis ~ 65536               # B: ANEForge, M4 and later, A16 and later
channels = 16384           # B: AmiraniLabs/libane
channels ~ 65536           # B: ANEForge
last_axis = 32             # A: rows begin at 64 bytes (ironmill on M3 Pro, ANEDVD on A18 Pro, M3 Ultra notes)
last_axis ~ 16             # C: rustane, h3; mechramc/Orion (M4 Max) reads fp16 rows of 16 without gaps
dead_width_first = 14593   # B: ane-prefill-bench (M4): 14592 works, 14593 fails with status 0x1d
dead_width_last = 14622    # B: ane-prefill-bench (M4): 14624 works
surface_bytes = 49152      # A: mechramc/Orion, m0at/ANEtransformers
surface_bytes ~ 16384      # B: ironmill (M3 Pro), measured and corrected from 48 KiB; h3
surface_bytes ~ 65536      # C: jundot/omlx rounds up to it
equal_surfaces = true      # B: mechramc/Orion, AmiraniLabs/libane: else status 0x1d
equal_surfaces ~ false     # B: Splash, h3, m0at/ANEtransformers bind different sizes
outputs = concat           # B: m0at/ANEtransformers: wrong values from the third output on; maderix/ANE packs them
outputs ~ separate         # B: mechramc/Orion has three and more, FlashNext six, in alphabetical order

conv_outputs = 16384       # B: mechramc/Orion has 32000 rejected, AmiraniLabs/libane stops at 16384
conv_blocks = 383          # B: maderix/ANE part 4 (M4), M6 notes: 384 and more fail
kernel_width = 13          # B: ANEForge, M1
kernel_width ~ 15          # B: ANEForge, M5
sdpa_length = 512          # B: ANEForge: garbage where min(q, k) >= 512; above 2048 in any case
slice_clamp = 4094         # B: ANEForge, M1..M3
slice_clamp ~ none         # B: ANEForge, M4 and later
blobs = 16                 # C: mechramc/Orion (M4 Max): the 17th is InvalidMILProgram; it has a file for each
blobs ~ 128                # B: maderix/ANE inmem_peak (M3 Pro..M5): 128 convs from one file; h3: 19, jundot/omlx
blob_files = 16            # C: mechramc/Orion: the reading of its limit that nothing contradicts
weights_bytes = 2147483648 # B: ANEForge
weights_bytes ~ 8388608    # C: ironmill; contradicted by m0at/ANEtransformers (352 MB) and h3
weights_bytes ~ 4294967296 # B: jundot/omlx: the mapped window of one engine
compiles = 110             # A: silent failure after about 119 (maderix/ANE, mechramc/Orion, AmiraniLabs/libane)
compiles ~ 169             # C: maderix/ANE pull request 26; skyfallsin/ANE-LM 226, from the cache
resident = 55              # B: ironmill
resident ~ 121             # B: jundot/omlx; m0at/ANEtransformers 128, FlashNext 132
accumulator = 32768        # A: 751K study (M4, M6), ANEForge (M1, M1 Max, M2 Pro, M4, M5, M5 Pro), M3 Ultra notes
smallest_product = 6.103515625e-05   # B: 2^-14: M3 Ultra notes: products are rounded to fp16 without denormals
smallest_product ~ 1.52587890625e-05 # B: 2^-16: 751K study (M4, M6)
smallest_epsilon = 7.63e-06          # B: ANEForge: for log and rsqrt

weight_swaps = ignored     # A: maderix/ANE (M5), m0at/ANEtransformers, AmiraniLabs/libane: the output does not change
weight_swaps ~ heeded      # B: mechramc/Orion (M4 Max): 8 ms for a program

# Numerics, for anerun --numerics ane.
overflow = inf             # A: 751K study (M4, M6), ANEForge (M1..M5 Pro): infinite from there on
overflow ~ zero            # B: M3 Ultra notes
products = fp16            # B: M3 Ultra notes: products are rounded to fp16
products ~ fixed           # B: 751K study (M4, M6): a fixed point with 16 bits behind it
reductions = fp16          # B: ANEForge: the error of reduce_sum grows with the root of its length; 2048 + 1 is exact no more
rounding = away            # C: one study, chips not named: 2048 + 1 gives 2050
smallest_value = 6.103515625e-05 # C: M3 Ultra notes have it of products; that values are flushed too is the careful reading
table_points = 33          # C: a study of tables, chips not named
error.sigmoid = 3.4e-3     # B: a study of tables, chips not named; ironmill (M3 Pro): 3e-3
error.sigmoid ~ 3.8e-3     # B: ANEForge sweep (M5 Pro)
error.tanh = 1.6e-3        # C: a study of tables, chips not named
error.tanh ~ 1.3e-3        # B: ANEForge sweep (M5 Pro)
error.erf = 7e-4           # B: ANEForge sweep (M5 Pro)
error.gelu = 6e-3          # C: a study of tables, chips not named: EXACT and TANH_APPROXIMATION give the same bits
error.gelu ~ 2.4e-3        # B: ANEForge sweep (M5 Pro)
error.silu = 1.5e-2        # B: ironmill (M3 Pro), and a study of tables, chips not named
error.silu ~ 1e-2          # B: ANEForge sweep (M5 Pro)
error.log = 6.6e-3         # C: a study of tables, chips not named
error.log ~ 8e-4           # B: ANEForge sweep (M5 Pro)
error.exp = 9              # C: a study of tables, chips not named: at most; ANEForge sweep: 4.7e-4 of the value
error.rsqrt = 2.1          # C: a study of tables, chips not named; ANEForge sweep (M5 Pro): 1e-3 of the value
error.sqrt = 1.2           # C: a study of tables, chips not named
error.inverse = 13.5       # C: a study of tables, chips not named

# Ops that programs are made of. `linear` is written as a 1x1 conv.
op.linear = native         # A: as conv 1x1 and add; three times the speed of matmul (maderix/ANE)
op.matmul = native         # A: safe core of all sweeps
ops.native = add sub mul maximum minimum relu exp   # A: safe core of all sweeps
op.pow = native            # A: safe core of all sweeps, with a constant exponent
op.sigmoid = native        # A: safe core of all sweeps; error 3.4e-3
op.tanh = native           # A: safe core of all sweeps; error 1.6e-3
ops.native = reshape transpose slice_by_size        # A: safe core of all sweeps
op.softmax = native        # A: safe core of all sweeps, over the last axis
op.reduce_sum = native     # A: safe core of all sweeps, axes kept
op.cast = native           # A: safe core of all sweeps, between fp16 and fp32
op.erf = native            # B: ANEForge sweep (error 7e-4, all chips); nothing says otherwise
op.concat = native         # B: maderix/ANE, m0at/ANEtransformers, ironmill, h3, ANEForge
op.concat ~ fails          # C: mechramc/Orion (M4 Max, macOS 15): a literal axis and no interleave
op.split = decompose       # B: ironmill (M3 Pro): split, matmul, softmax and tile in one program fail
op.split ~ native          # B: ANEForge sweep (M5 Pro)
op.gelu = decompose        # C: rejected: mechramc/Orion, AmiraniLabs/libane
op.gelu ~ native           # B: ANEForge sweep (M5 Pro), with a mode
op.silu = decompose        # C: taken apart by maderix/ANE
op.silu ~ native           # B: jundot/omlx, ironmill (M3 Pro), ANEForge sweep (M5 Pro)
op.rsqrt = decompose       # C: fails: maderix/ANE prefill, rustane, mechramc/Orion
op.rsqrt ~ native          # B: with an epsilon: ironmill (M3 Pro), AmiraniLabs/libane, ANEForge sweep (M5 Pro)
op.sqrt = decompose        # C: not in every sweep; pow is
op.sqrt ~ native           # B: ANEForge sweep (M5 Pro)
op.square = decompose      # C: not in every sweep; mul is
op.square ~ native         # B: ANEForge sweep (M5 Pro)
op.inverse = decompose     # C: not in every sweep; pow is
op.inverse ~ native        # B: with an epsilon: ironmill (M3 Pro), ANEForge sweep (M5 Pro)
op.real_div = decompose    # C: not in every sweep; pow and mul are
op.real_div ~ native       # B: ANEForge sweep (M5 Pro)
op.reduce_mean = decompose # C: fails: Espresso issue 44, h3, m0at/ANEtransformers
op.reduce_mean ~ native    # B: mechramc/Orion, ironmill (M3 Pro), ANEForge sweep (M5 Pro)
op.tile = decompose        # C: field guide (M3 Max): poisons the process
op.tile ~ native           # B: ANEForge sweep (M5 Pro), ironmill (M3 Pro)
op.expand_dims = decompose # B: reshape is in every sweep
op.expand_dims ~ native    # B: ANEForge sweep (M5 Pro)
op.squeeze = decompose     # B: reshape is in every sweep
op.squeeze ~ native        # B: ANEForge sweep (M5 Pro)
op.identity = decompose    # C: does not compile: ANEForge sweep (M5 Pro)
op.identity ~ native       # B: ironmill (M3 Pro)
op.clip = decompose        # B: maximum and minimum are in every sweep
op.clip ~ native           # B: ANEForge sweep (M5 Pro)
op.relu6 = decompose       # B: maximum and minimum are in every sweep
op.relu6 ~ native          # B: ANEForge sweep (M5 Pro)

# Ops that the engine takes by one sweep or more, that nothing contradicts, and that this compiler does not write
# as they are. Behind some: the relative error that was measured.
ops.seen = conv            # A: maderix/ANE, mechramc/Orion, h3, ANEForge (error 2.8e-4)
ops.seen = layer_norm      # A: exists on all chips; ironmill (error 1e-3), ANEForge sweep (error 3.9e-4)
ops.seen = reduce_max reduce_min                                   # A: ironmill (M3 Pro), ANEForge sweep (M5 Pro)
ops.seen = reduce_l1_norm reduce_l2_norm reduce_log_sum reduce_log_sum_exp reduce_sum_square # B: ANEForge sweep (M5 Pro)
ops.seen = abs ceil floor round sign exp2 log softplus softsign threshold thresholded_relu # B: ANEForge sweep (M5 Pro)
ops.seen = atan            # B: ANEForge sweep (M5 Pro; error 1.9e-2)
ops.seen = elu             # B: ANEForge sweep (M5 Pro; error 5e-3)
ops.seen = leaky_relu prelu clamped_relu linear_activation scaled_tanh sigmoid_hard # B: ANEForge sweep (M5 Pro)
ops.seen = equal not_equal greater greater_equal less less_equal logical_not select floor_div # B: ANEForge sweep (M5 Pro)
ops.seen = conv_transpose einsum instance_norm l2_norm local_response_norm # B: ANEForge sweep (M5 Pro)
ops.seen = l2_pool pad crop flatten2d reverse stack slice_by_index  # B: ANEForge sweep (M5 Pro)
ops.seen = batch_to_space space_to_batch depth_to_space space_to_depth pixel_shuffle pixel_unshuffle # B: ANEForge sweep (M5 Pro)
ops.seen = fill fill_like range_1d                                 # B: ANEForge sweep (M5 Pro)
ops.seen = resize resize_bilinear resize_nearest_neighbor upsample_bilinear upsample_nearest_neighbor # B: ANEForge sweep (M5 Pro)
ops.seen = quantize dequantize                                     # B: maderix/ANE (W8A8 between convs, M4, M5), ANEForge sweep
ops.seen = constexpr_cast constexpr_lut_to_sparse constexpr_sparse_blockwise_shift_scale constexpr_sparse_to_dense # B: ANEForge sweep (M5 Pro)
op.constexpr_affine_dequantize = seen                # B: h3 and maderix/ANE (M4), as attributes with a scale of rank 1
op.constexpr_affine_dequantize ~ fails               # C: m0at/ANEtransformers (M5), AB5/higgs, ANEDVD (A18 Pro)
op.constexpr_blockwise_shift_scale = seen            # B: jundot/omlx (M3 Ultra, M5), as arguments
op.constexpr_blockwise_shift_scale ~ fails           # C: m0at/ANEtransformers (M5), AB5/higgs, ANEDVD (A18 Pro)
op.constexpr_lut_to_dense = disputed                 # C: 4 bits are rejected: ironmill (M3 Pro)
op.constexpr_lut_to_dense ~ seen                     # B: ANEForge sweep (M5 Pro)

# Ops about which the sources disagree.
op.batch_norm = disputed   # B: rejected: ironmill (M3 Pro)
op.batch_norm ~ seen       # B: ANEForge sweep (M5 Pro)
ops.disputed = avg_pool max_pool                     # B: rejected: ironmill (M3 Pro)
ops.disputed = sin cos     # B: rejected: ironmill (M3 Pro); not on M1 (ANEForge)
op.sin ~ seen              # B: ANEForge sweep (M5 Pro)
op.cos ~ seen              # B: ANEForge sweep (M5 Pro)
ops.disputed = affine topk # B: ANEForge: not on M1
op.scaled_dot_product_attention = disputed           # A: drops its mask: maderix/ANE, mechramc/Orion, ane-prefill-bench
op.scaled_dot_product_attention ~ seen               # B: ANEForge sweep (M5 Pro), without a mask

# Ops that compile and then run elsewhere, without a word.
ops.cpu = acos asin atanh cosh sinh tan band_part crop_resize cumsum # B: ANEForge sweep (M5 Pro)
ops.cpu = gather gather_along_axis gather_nd scatter scatter_along_axis scatter_nd # B: ANEForge sweep (M5 Pro)
ops.cpu = gru lstm rnn logical_and logical_or logical_xor           # B: ANEForge sweep (M5 Pro)
ops.cpu = mod non_zero one_hot reduce_argmax reduce_argmin reduce_prod # B: ANEForge sweep (M5 Pro)
ops.cpu = random_bernoulli random_categorical random_normal random_uniform # B: ANEForge sweep (M5 Pro)
ops.cpu = reverse_sequence shape slice_update sliding_windows non_maximum_suppression # B: ANEForge sweep (M5 Pro)

# Ops that do not compile.
ops.fails = argsort classify cond while_loop conv_quantized reshape_like # B: ANEForge sweep (M5 Pro)
ops.fails = list_gather list_length list_read list_scatter list_write make_list # B: ANEForge sweep (M5 Pro)
ops.fails = read_state                               # B: ANEForge sweep (M5 Pro)
ops.fails = write_state                              # C: what goes with read_state; no source has it

# Costs: no chip is "safe"; these are M4's, which lie in the middle of what was published.
cost.dispatch_us = 95      # A: maderix/ANE (M4): 90 to 160
cost.dispatch_us ~ 26      # B: jundot/omlx: the launch alone, 26 to 39
cost.tflops = 18.6         # B: maderix/ANE (M4): 128 convs of 512 channels in a chain
cost.matmul_tflops = 5.7   # B: maderix/ANE (M4): one product of 2048 x 2048
cost.int8_tops = 35.1      # B: maderix/ANE (M4): W8A8
cost.int8_tops ~ 18.6      # B: ironmill: no gain, fp16 inside
cost.weight_gbs = 64       # B: anemll-bench (M4): the head of a language model
cost.activation_gbs = 24   # B: m0at/ANEtransformers (M5)
cost.sram_bytes = 33554432 # B: maderix/ANE, mechramc/Orion: a cliff at some 32 MB
cost.sram_bytes ~ 4194304  # C: tinygrad
cost.operand_bytes = 2097152 # B: ANEForge, strings of the framework: tiles = size / 2 MiB + 1
cost.layer_cycles = 44     # B: ANEForge costmodel_curves
cost.cut_us = 200          # B: ANEForge ane_cost_model (M5 Pro)
cost.layer_norm_us = 9.05e-4 # B: ANEForge (M5 Pro): 73.4 us for 64 x 256, 295.9 us for 256 x 1024
cost.rms_norm_us = 2.12e-3   # B: ANEForge (M5 Pro): 86.9 us for 64 x 256, 607.7 us for 256 x 1024
cost.compile_ms = 65       # A: 30 to 100 for usual programs; 11 to 40 for tiny ones, 150 for an FFN
cost.load_ms = 1.7         # B: m0at/ANEtransformers
cost.wake_ms = 50          # B: M6 notes: after 5.7 s
