# shellcheck shell=bash
# What an interrupted start of an issue has left behind, so that factory cannot start it again; for an operator who queues it
# again. The same rules as in image/supervisor/loop/leftovers.ts. Only for an issue without a pipeline, in the folder of its
# project's configuration.
#
# All functions set $stays and $cure: what keeps the issue from starting and must not be removed by us, and the command that
# clears it, typed in the worker. $stays is empty when nothing does, $cure when `cleanup --issue` is the command.
stays='' cure='' removals=()

# find_leftovers ISSUE OURS(yes|no): also sets $removals, what may be removed. In an issue that was not dispatched, the origin
# of uncommitted files is unknown.
find_leftovers() {
  local path list
  removals=()
  find_branch_holder "$1"
  list=$(git worktree list --porcelain 2>/dev/null </dev/null 9>&-)
  while IFS= read -r path; do
    if [ -z "$stays" ]; then judge_worktree "$path" "$2"; fi
  done < <(sed --quiet "s|^worktree \\(.*/worktrees/issue-$1\\)\$|\\1|p" <<<"$list")
  while IFS= read -r path; do
    if [ -z "$stays" ] && ! grep --quiet --line-regexp --fixed-strings "worktree $path" <<<"$list"; then
      judge_folder "$path"
    fi
  done < <(worktree_folders "$1")
  while IFS= read -r path; do
    if [ -z "$stays" ]; then judge_pipeline "$path"; fi
  done < <(pipeline_folders "$1")
}

# in_sight ISSUE: a quick check whether there may be leftovers, since most issues have none.
in_sight() {
  [ -n "$(worktree_folders "$1")$(pipeline_folders "$1")" ]
}

# A: in the root of the repository; B: next to the configuration.
worktree_folders() {
  local folder
  for folder in "$(git rev-parse --show-toplevel 9>&-)" "$(pwd -P)"; do
    if [ -d "$folder/worktrees/issue-$1" ]; then printf '%s\n' "$folder/worktrees/issue-$1"; fi
  done | sort --unique
}

# A: pipelines/N; B: pipelines/OWNER/REPO/N.
pipeline_folders() {
  local folder
  for folder in "$HOME/.factory/pipelines/$1" "$HOME"/.factory/pipelines/*/*/"$1"; do
    if [ -d "$folder" ] && [[ $folder != */stages/* ]]; then printf '%s\n' "$folder"; fi
  done
}

find_branch_holder() {
  local path main
  stays='' cure=''
  main=$(git worktree list --porcelain 2>/dev/null </dev/null 9>&- | sed --quiet '1s/^worktree //p')
  path=$(git worktree list --porcelain 2>/dev/null </dev/null 9>&- |
    awk -v branch="branch refs/heads/feature/issue-$1" -v own="/worktrees/issue-$1" '
      /^worktree / { path = substr($0, 10) }
      $0 == branch && substr(path, length(path) - length(own) + 1) != own { print path; exit }')
  [ -n "$path" ] || return 0
  stays="the branch feature/issue-$1 is checked out in $path"
  cure="git -C $path switch --detach"
  if [ "$path" = "$main" ]; then
    main=$(git symbolic-ref --short refs/remotes/origin/HEAD 2>/dev/null 9>&-) || main=main
    cure="git -C $path switch ${main#origin/}"
  fi
}

judge_worktree() {
  local path=$1 ours=$2 entry locked pid commits
  entry=$(git worktree list --porcelain 9>&- | sed --quiet "\\|^worktree $path\$|,/^\$/p")
  locked=$(sed --quiet 's/^locked *//p' <<<"$entry")
  # git keeps a worktree locked while creating it (worktree.c).
  if [ "$locked" = initializing ]; then
    removals+=("git worktree remove --force --force $path")
  elif grep --quiet '^locked' <<<"$entry"; then
    stays="the worktree $path is locked${locked:+ ($locked)}"
  elif [ ! -e "$path" ]; then
    removals+=("git worktree remove $path")
  elif pid=$(process_at "$path"); then
    stays="a program still works in $path (process $pid)" cure="kill $pid"
  else
    commits=$(git rev-list --count "$(sed --quiet 's/^HEAD //p' <<<"$entry")" --not HEAD --remotes 2>/dev/null 9>&-)
    if [ "$commits,$ours" = 0,yes ]; then
      removals+=("git worktree remove --force $path")
    elif [ "$(git -C "$path" status --porcelain --ignore-submodules=none 2>&1 9>&-)" = '' ]; then
      judge_submodules "$path"
    elif [ "$commits" = 0 ]; then
      stays="the worktree $path has files that are not committed"
    else
      stays="the worktree $path has commits and files that are not committed"
    fi
  fi
}

# judge_submodules WORKTREE: for one without uncommitted files. Its commits stay on the branch; those of its submodules would go
# with it. Without --force git removes no worktree with submodules.
judge_submodules() {
  local counts
  counts=$(git -C "$1" submodule --quiet foreach --recursive 'git rev-list --count HEAD --not --remotes' 2>&1 9>&-)
  case $counts in
    '') removals+=("git worktree remove $1") ;;
    *[!0$'\n']*) stays="the worktree $1 has commits in a submodule that no remote has" ;;
    *) removals+=("git worktree remove --force $1") ;;
  esac
}

judge_folder() {
  case $(ls --almost-all "$1") in
    # Before git registers a new worktree, the folder contains nothing but the link to it.
    '' | .git) removals+=("rm --recursive $1") ;;
    *) stays="the folder $1 is not a worktree known to git" ;;
  esac
}

judge_pipeline() {
  if [ -z "$(find "$1" -type f -size +0 ! -name issue.json -print -quit 2>&1)" ]; then
    removals+=("rm --recursive $1")
  else
    stays="the folder $1 has files of an earlier run and no pipeline that can be read"
    cure="rm -r $1"
  fi
}

# process_at PATH: a process working there or below: a setup command outlives the check-in that was killed.
process_at() {
  find /proc/[0-9]*/cwd -maxdepth 0 \( -lname "$1" -o -lname "$1/*" \) -print -quit 2>/dev/null |
    cut --delimiter=/ --fields=3 | grep .
}

# clear_leftovers ISSUE: removes what find_leftovers has found. On failure sets $said and returns 1.
clear_leftovers() {
  local removal words
  for removal in "${removals[@]}"; do
    # The last word is a path, which may contain blanks.
    read -ra words <<<"${removal%%/*}"
    quietly "${words[@]}" "/${removal#*/}" || return 1
  done
  # factory would reuse a branch without commits as it is, on its old base.
  if [ "$(git rev-list --count "refs/heads/feature/issue-$1" --not HEAD --remotes 2>/dev/null 9>&-)" = 0 ]; then
    quietly git branch --delete --force "feature/issue-$1"
  fi
}

# drop_branch ISSUE: deletes the branch of the earlier run, or the new run would build on its commits. Unmerged commits are
# kept under a ref: sets $kept.
drop_branch() {
  local branch=feature/issue-$1 commit
  kept=''
  commit=$(git rev-parse --verify --quiet "refs/heads/$branch" 9>&-) || return 0
  if [ "$(git rev-list --count "$commit" --not HEAD --exclude="*/$branch" --remotes 2>/dev/null 9>&-)" != 0 ]; then
    kept=refs/factory-worker/issue-$1/${commit:0:12}
    quietly git update-ref "$kept" "$commit" || return 1
  fi
  quietly git branch --delete --force "$branch"
}

# in_the_way ISSUE…: for each that was taken from the queue and has no pipeline, what keeps it from starting: its number,
# $stays and $cure, separated by tabs.
in_the_way() {
  local issue word owner pipeline ours
  while IFS=$'\t' read -r issue word owner pipeline; do
    case $word,$pipeline in active, | failed,) ;; *) continue ;; esac
    ours=no
    if is_ours "$issue" "$owner"; then ours=yes; fi
    (
      cd "$(dirname "$WORKER_REPOS_DIR/$owner/$(config_of "$owner")")" 2>/dev/null || exit
      find_leftovers "$issue" "$ours"
      if [ -n "$stays" ]; then printf '%s\t%s\t%s\n' "$issue" "$stays" "$cure"; fi
    )
  done < <(cd "$(any_project_folder)" && look "$@")
}
