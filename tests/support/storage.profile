# fp16 and the accumulator alone
products = fixed
smallest_product = 5.9604644775390625e-08
smallest_value = none
reductions = fp32
error.sigmoid = none
error.tanh = none
error.erf = none
error.exp = none
