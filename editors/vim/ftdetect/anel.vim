autocmd BufRead,BufNewFile *.anel setfiletype anel | setlocal commentstring=#\ %s
