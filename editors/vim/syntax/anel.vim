" Vim syntax file for .anel, the language of anec (docs/language.md)
if exists("b:current_syntax")
  finish
endif

syn keyword anelKeyword import model layer weight buckets return for in if else and or not
syn keyword anelConstant true false none
syn keyword anelPredefined token position S T
syn keyword anelPrimitive embed linear matmul reshape transpose split concat slice repeat
syn keyword anelPrimitive where ignore split_heads merge_heads cache causal distance softmax normalize gelu gelu_tanh sum
syn keyword anelPrimitive mean reduce_max reduce_min min max clip floor ceil float int len shape
syn keyword anelPrimitive tensor assert abs cos erf exp log relu rsqrt sigmoid silu sin softplus
syn keyword anelPrimitive sqrt square tanh config
syn keyword anelLayer dense conv1d layer_norm rms_norm activation attend alibi alibi_slopes top contains rope_frequencies rope_llama3 rope_scaled soft_cap
syn keyword anelLayer rope_angles rotate rotate_pairs
syn match anelNumber "\<\d\+\(\.\d\+\)\?\([eE][-+]\?\d\+\)\?\>"
syn region anelString start=+"+ skip=+\\.+ end=+"+ oneline contains=anelTemplate
syn match anelTemplate "{[^}]*}" contained
syn match anelComment "#.*$" contains=@Spell
syn match anelDefinition "\(\<\(model\|layer\|weight\)\s\+\)\@<=\h\w*"

hi def link anelKeyword Keyword
hi def link anelConstant Constant
hi def link anelPredefined Identifier
hi def link anelPrimitive Function
hi def link anelLayer Function
hi def link anelNumber Number
hi def link anelString String
hi def link anelTemplate Special
hi def link anelComment Comment
hi def link anelDefinition Type

let b:current_syntax = "anel"
