# A14 to A18 Pro, iPhones and iPads: what holds for all of them
base = safe
axis = 16384               # B: ANEForge: A16 and later take more
axis ~ 65536               # B: ANEForge, A16 and later
last_axis = 32             # A: ANEDVD (A18 Pro): rows without gaps give wrong values without an error
compiles = 110             # A: ANEDVD (A18 Pro): 121 were possible
compiles ~ 121             # B: ANEDVD (A18 Pro)
op.constexpr_affine_dequantize = fails        # B: ANEDVD (A18 Pro, 27.0.1)
op.constexpr_affine_dequantize ~ seen         # B: h3, maderix/ANE (M4)
op.constexpr_blockwise_shift_scale = fails    # B: ANEDVD (A18 Pro, 27.0.1)
op.constexpr_blockwise_shift_scale ~ seen     # B: jundot/omlx (M3 Ultra, M5)
ops.fails = sin cos        # C: ANEForge op catalog: from A15 on, so not on A14
op.sin ~ seen              # C: ANEForge op catalog, A15 and later
op.cos ~ seen              # C: ANEForge op catalog, A15 and later
ops.fails = random_bernoulli random_categorical random_normal random_uniform # B: ANEForge op catalog: from A15 on
cost.dispatch_us = 103     # B: ANEDVD (A18 Pro)
cost.weight_gbs = 29       # B: ANEDVD (A18 Pro): 29 to 40
cost.weight_gbs ~ 40       # B: ANEDVD (A18 Pro): 29 to 40
