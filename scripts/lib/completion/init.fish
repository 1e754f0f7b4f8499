function factory --description 'TaintFactory; with worker as its first word, factory-worker'
    if test "$argv[1]" = worker
        command factory-worker $argv[2..]
    else
        command factory $argv
    end
end

# Fills $__factory_worker_candidates; fails where a file is wanted, which fish then completes by itself.
function __factory_worker_complete
    set --global __factory_worker_candidates (command factory-worker complete fish -- \
        (commandline --current-process --tokenize --cut-at-cursor) \
        (commandline --current-token --cut-at-cursor) 2>/dev/null)
    test "$__factory_worker_candidates[1]" != :files
end

complete --command factory --command factory-worker --condition __factory_worker_complete \
    --no-files --arguments '$__factory_worker_candidates'
