#!/bin/bash
# SPDX-License-Identifier: MIT
# dseek generate, logits, model moefy, bench model, bench latent, bench ops and bench quality: what they print, and what they refuse.
. "$(dirname "$0")/lib.sh"
e=embed:

dense=$dir/dense.gguf moe=$dir/moe.gguf
"$dseek" model synth -q --layers 2 --embd 64 --heads 4 --kv-heads 2 --ff 128 --ctx 1024 "$dense" || exit 1

go generate -q -d $e -m "$dense" --raw -p 'a b' -n 5 --ignore-end --ids
ok "generate --ids" grep -qE '^([0-9]+,){4}[0-9]+$' "$dir/out"; cp "$dir/out" "$dir/first"
go generate -q -d $e -m "$dense" --raw -p 'a b' -n 5 --ignore-end --json
ok "generate --json" json 'len(d["ids"]) == len(d["margin"]) == 5 and d["stop"] == "length" and d["transport"] == "embed" and min(d["margin"]) >= 0 and d["decode_tokens_per_second"] > 0 and d["prompt_ids"][0] == 1'
ok "generate: the same tokens again" test "$(cat "$dir/first")" = "$(python3 -c 'import json; print(*json.load(open("'"$dir"'/out"))["ids"], sep=",")')"
go generate -q -d $e -m "$dense" -t 1,70,71 -n 8 --ignore-end --ids --temp 1.5 --seed 3; cp "$dir/out" "$dir/first"
go generate -q -d $e -m "$dense" -t 1,70,71 -n 8 --ignore-end --ids --temp 1.5 --seed 3; ok "generate: a seed is a text" cmp -s "$dir/out" "$dir/first"
go generate -q -d $e -m "$dense" -t 1,70,71 -n 8 --ignore-end --ids --temp 1.5 --seed 4; ok "generate: another seed, another text" test "$rc" = 0 -a "$(cat "$dir/out")" != "$(cat "$dir/first")"
go generate -d $e -m "$dense" --raw -p 'a b' -n 50 --ctx 20 --ignore-end; ok "generate: a full context" said 0 "stopped: the context of 20 tokens is full" err
go generate -d $e -m "$dense" -t 1,2,3,4,5 -n 5 --ctx 4; ok "generate: a prompt too long" said 1 "the context of 4 tokens is full: it holds 0, and 5 more were given" err
go generate -d $e -m "$dense" -t 1,512; ok "generate: no such token" said 1 "token 1 is 512, the vocabulary has 512" err
go generate -d $e -m "$dense" -t 1,x; ok "generate: no list of ids" said 1 "1,x: No such file or directory" err
go generate -d $e -m "$dense" --chat -p hi; ok "generate --chat without a template" said 1 "chat" err
go generate -d $e -m "$dense" -p hi --temp -1; ok "generate: temperature" said 1 "temperature" err
go generate -d $e -m "$dense" -p hi --top-p 2; ok "generate: top-p" said 1 "top" err
go generate -d $e -m "$dense" -p hi --experts 2; ok "generate: experts of a dense model" said 1 "2 experts selected, the model has 0" err
go generate -d $e -m "$dense" -p hi -t 1; ok "generate: two prompts" said 2 "--prompt and --tokens exclude each other" err
go generate -d $e -m "$dense" -p hi --chat --raw; ok "generate --chat --raw" said 2 "--chat and --raw exclude each other" err
go generate -d $e -m "$dense" -p hi --raw --reasoning low; ok "generate --reasoning --raw" said 2 "--reasoning is for a chat: not with --raw, nor --tokens" err
go generate -d $e -m "$dense" -p hi --reasoning low; ok "generate --reasoning without a template" said 1 "the file has no chat template" err
harmony=$dir/harmony.gguf
"$dseek" model synth -q -p tiny-gptoss --vocabulary harmony --layers 2 "$harmony" || exit 1
go generate -q -d $e -m "$harmony" -p hi --system 'be kind' --reasoning high -n 40 --temp 3 --seed 1 --json; cp "$dir/out" "$dir/first"
ok "generate --json: channels" json 'isinstance(d["channels"], dict) and d["text"] == d["channels"].get("final", "")'
said_ids() { "$dseek" tokenize -m "$harmony" -D "$(python3 -c 'import json; print(*json.load(open("'"$dir"'/first"))["prompt_ids"], sep=",")')" >"$dir/out" 2>"$dir/err"; }
said_ids; ok "generate: harmony's conversation" grep -q '^Reasoning: high$' "$dir/out"
ok "generate: the system message is the developer's" grep -qF "<|start|>developer<|message|># Instructions" "$dir/out"
ok "generate: the answer begins" grep -qF 'be kind<|end|><|start|>user<|message|>hi<|end|><|start|>assistant' "$dir/out"
go generate -d $e -m "$harmony" -p hi -n 3; ok "generate: no final channel" said 0 "all 3 tokens were for other channels than the final one" err
go generate -d $e -m "$harmony" -p hi --reasoning some; ok "generate: unknown reasoning" said 1 "reasoning 'some' is none of low, medium, high" err
go generate -d $e -m "$dense" -p hi -n 0; ok "generate -n 0" said 2 "--number is not in 1..2^24" err
go generate -d $e -m "$dense"; ok "generate without a prompt" said 2 "--model and --prompt (or --tokens) are needed" err
go generate -d $e -m "$dir/none.gguf" -p hi; ok "generate: no such model" said 1 "none.gguf" err
go generate -d nonsense: -m "$dense" -p hi; ok "generate: no such device" said 1 "device nonsense:" err
head -c 5000 "$dense" >"$dir/short.gguf"
go generate -d $e -m "$dir/short.gguf" -p hi; ok "generate: a truncated model" said 1 "short.gguf" err

go logits -q -d $e -m "$dense" -t 1,70,71 -o "$dir/a.f32" --precise; ok "logits" test "$rc" = 0 -a "$(stat -c %s "$dir/a.f32")" = $((3 * 512 * 4))
echo '[1, 70, 71]' >"$dir/ids"
go logits -q -d $e -m "$dense" -t "$dir/ids" -o "$dir/b.f32" --precise; ok "logits of a file of ids" cmp -s "$dir/a.f32" "$dir/b.f32"
go logits -q -d $e -m "$dense" -t 1,70,71 -o "$dir/b.f32" --precise --window 1; ok "logits with a window" test "$rc" = 0 -a "$(cmp -n 2048 "$dir/a.f32" "$dir/b.f32" && cmp "$dir/a.f32" "$dir/b.f32" | wc -l)" = 1
go logits -q -d $e -m "$dense" -t 1,70,71 -o "$dir/b.f32" --precise --kv-type q8_0; ok "logits with a KV cache of 8 bits" test "$rc" = 0 -a "$(cmp "$dir/a.f32" "$dir/b.f32" | wc -l)" = 1
go logits -q -d $e -m "$dense" -t 1,70,71 -o "$dir/b.f32" --precise --kv-type F32; ok "logits with a KV cache of its own type" cmp "$dir/a.f32" "$dir/b.f32"
go logits -d $e -m "$dense" -t 1 -o "$dir/c.f32" --kv-type q4_0; ok "logits: no such type of KV cache" said 1 "--kv-type q4_0: it is none of f32, f16, bf16, q8_0" err
DSEEK_PRECISION_MODE=fp32 go logits -q -d $e -m "$dense" -t 1,70,71 -o "$dir/b.f32"; ok "logits: DSEEK_PRECISION_MODE=fp32 is --precise" cmp -s "$dir/a.f32" "$dir/b.f32"
DSEEK_PRECISION_MODE=auto go logits -d $e -m "$dense" -t 1,70,71 -o "$dir/b.f32"; ok "logits: DSEEK_PRECISION_MODE=auto says what it chose" said 0 "precision auto: activations" err
DSEEK_PRECISION_MODE=fp64 go logits -d $e -m "$dense" -t 1 -o "$dir/c.f32"; ok "logits: no such DSEEK_PRECISION_MODE" said 1 '"fp64", which is none of auto, fp32, bf16, fp16, fp8, int8' err
DSEEK_PRECISION_MODE=fp8 go logits -d $e -m "$dense" -t 1,70,71 -o "$dir/b.f32"; ok "logits: DSEEK_PRECISION_MODE=fp8" said 0 "precision fp8: weights fp8, activations as the engine does best, KV cache fp16" err
"$dseek" model synth -q --layers 1 --embd 64 --heads 4 --kv-heads 2 --ff 128 --type Q8_0 "$dir/q8.gguf" || exit 1
DSEEK_PRECISION_MODE=fp8 go logits -d $e -m "$dir/q8.gguf" -t 1 -o "$dir/c.f32"; ok "logits: DSEEK_PRECISION_MODE=fp8 of quantised weights" said 1 "has no layer with products whose weights are F32, F16 or BF16" err
DSEEK_PRECISION_MODE=bf16 go logits -d $e -m "$dense" -t 1 -o "$dir/c.f32" --precise; ok "logits: --precise against DSEEK_PRECISION_MODE" said 1 "DSEEK_PRECISION_MODE is bf16" err
go logits -d $e -m "$dense" -t 1,9999 -o "$dir/c.f32"; ok "logits: no such token" said 1 "token 1 is 9999" err
ok "logits: nothing half-made" test ! -e "$dir/c.f32"
go logits -d $e -m "$dense" -t 1 -o "$dir/no/x"; ok "logits: no such folder" said 1 "No such file or directory" err
go logits -d $e -m "$dense" -t 1; ok "logits without --out" said 2 "--model, --tokens and --out are needed" err
go logits -d $e -m "$dense" -t '[]' -o "$dir/c.f32"; ok "logits of nothing" said 1 "there are no token ids" err

go model moefy -q -d $e -m "$dense" -o "$moe" --experts 8 --tokens 256; ok "moefy" test "$rc" = 0 -a -s "$moe" -a ! -s "$dir/err"
go logits -q -d $e -m "$moe" --experts 8 -t 1,70,71 -o "$dir/b.f32" --precise
ok "moefy: all experts are the dense model" python3 -c '
import array, sys
a, b = array.array("f"), array.array("f")
a.frombytes(open(sys.argv[1], "rb").read()); b.frombytes(open(sys.argv[2], "rb").read())
sys.exit(max(abs(x - y) for x, y in zip(a, b)) > 1e-4 * max(map(abs, a)))' "$dir/a.f32" "$dir/b.f32"
go model inspect "$moe"; ok "moefy: its keys" said 0 "dense layers of 128 neurons split into 8 experts: clustered" out
go model moefy -d $e -m "$dense" -o "$dir/x" --experts 7 --tokens 256; ok "moefy: no divisor" said 1 "128 neurons can't be divided among 7 experts" err
go model moefy -d $e -m "$moe" -o "$dir/x" --tokens 256; ok "moefy of experts" said 1 "the model has experts already" err
go model moefy -d $e -m "$dense" -o "$dir/x" --tokens 10; ok "moefy: too short a text" said 1 "the calibration text has less than 64 tokens" err
go model moefy -d $e -m "$dense" -o "$dir/x" --experts 65; ok "moefy: too many" said 2 "at most 64 experts" err
go model moefy -d $e -m "$dense"; ok "moefy without --out" said 2 "--model and --out are needed" err
ok "moefy: nothing half-made" test ! -e "$dir/x"

go bench quality -q -d $e -m "$moe" --experts 8,1 -t 600 --json
ok "bench quality --json" json '[x["experts"] for x in d] == [8, 1] and all(x["tokens"] == 256 and x["perplexity"] > 1 for x in d)'
go bench quality -q -d $e -m "$moe" -t 600; ok "bench quality" test "$rc" = 0 -a "$(awk '{ print $1 }' "$dir/out" | tr '\n' ' ')" = "experts 8 6 4 2 "
go bench quality -d $e -m "$moe" -x 9; ok "bench quality: experts" said 1 "9 experts, the model has 8" err
go bench quality -d $e -m "$dense" -t 100; ok "bench quality: too short a text" said 1 "at least 513 are needed" err
go bench quality -d $e; ok "bench quality without a model" said 2 "--model is needed" err

go bench routing --json
ok "bench routing: 0.42 or more of skew becomes 0.15 or less" json 'd["synthetic"]["unbalanced"]["std_over_mean"] >= 0.42 and d["synthetic"]["balanced"]["std_over_mean"] <= 0.15 and "model" not in d'
ok "bench routing: and fewer pairs are dropped" json 'all(b["dropped"] < a["dropped"] and x["over"] == x["rerouted"] + x["dropped"] for a, b in zip(d["synthetic"]["unbalanced"]["capacity"], d["synthetic"]["balanced"]["capacity"]) for x in (a, b))'
go bench routing --skew 0 --seed 3 --json; ok "bench routing: no skew" json 'd["synthetic"]["unbalanced"]["std_over_mean"] < 0.1'
go bench routing -q -d $e -m "$moe" -t 512 --json
ok "bench routing of a model" json 'd["model"]["layers"] == 2 and d["model"]["balanced"]["std_over_mean"] < d["model"]["unbalanced"]["std_over_mean"] and d["model"]["tokens"] == 255 and d["model"]["kl"] > 0 and 0 <= d["model"]["same_best_token"] <= 1'
go bench routing -q -d $e -m "$moe" -t 512 -x 8 --json
ok "bench routing: all experts leave nothing to balance" json 'd["model"]["unbalanced"]["std_over_mean"] == 0 and d["model"]["kl"] == 0 and d["model"]["same_best_token"] == 1 and d["model"]["perplexity_balanced"] == d["model"]["perplexity_all_experts"]'
go bench routing -d $e -m "$moe" -x 9; ok "bench routing: too many experts" said 1 "9 experts selected, the model has 8" err
go bench routing -d $e -m "$moe" -t 511; ok "bench routing: too short a text" said 1 "511 tokens of a half, at least 512 are needed" err
go bench routing -d $e -m "$dense"; ok "bench routing of a dense model" said 1 "it has no experts: dseek model moefy makes some" err
go bench routing -d $e -m "$dir/none.gguf"; ok "bench routing: no such model" said 1 "none.gguf" err
go bench routing --skew -1; ok "bench routing: skew" said 2 "--skew is not in 0..100" err
go bench routing --experts 513; ok "bench routing: --experts" said 2 "--experts is above 512" err
go bench routing -t 1048577; ok "bench routing: --tokens" said 2 "--tokens is above 2^20" err
"$dseek" model synth -q -p tiny-mixtral "$dir/free.gguf"
go bench routing -d $e -m "$dir/free.gguf"; ok "bench routing: routers without a bias" said 1 "its routers have no bias (exp_probs_b)" err

go bench sparse -q -w 3072 -n 6 -k 8 --steps 8 --json
ok "bench sparse: 78 % of blocks skipped, 99.2 % of answers dense attention's" json 'd["gate"]["skipped"] >= 0.78 and d["gate"]["agreement"] >= 0.992 and d["gate"]["accuracy"] >= 0.992 * d["dense"]["accuracy"] and d["dense"]["accuracy"] > 0.98 and d["questions"] == 672'
ok "bench sparse: a window of as many blocks does not" json 'd["window"]["skipped"] == d["gate"]["skipped"] and d["window"]["agreement"] < 0.5'
yes "so it is" | head -n 100 >"$dir/short.txt"
go bench sparse --text "$dir/short.txt"; ok "bench sparse: too short a text" said 1 "the text is too short" err
: >"$dir/empty.txt"; go bench sparse --text "$dir/empty.txt"; ok "bench sparse: an empty text" said 1 "empty.txt: it is empty" err
go bench sparse --text "$dir/none.txt"; ok "bench sparse: no such text" said 1 "none.txt: No such file or directory" err
go bench sparse --words 127; ok "bench sparse: --words" said 2 "--words is not in 128..65536" err
go bench sparse --quotations 0; ok "bench sparse: --quotations" said 2 "--quotations is not in 1..1024" err
go bench sparse --top-k 4097; ok "bench sparse: --top-k" said 2 "--top-k is above 4096, or --steps above 100000" err
go bench sparse --rate 0; ok "bench sparse: --rate" said 2 "--rate is not above 0, to 10" err

go bench model -q -d $e -m "$dense" -p 32 -n 4 -r 2 --json
ok "bench model --json" json 'd["prefill"]["tokens"] == 32 and d["decode"]["tokens"] == 4 and d["decode"]["repetitions"] == 2 and d["prefill"]["tokens_per_second"] > 0'
go bench model -q -d $e -m "$dense" -p 0 -n 4 -r 1; ok "bench model: decode alone" test "$rc" = 0 -a "$(wc -l <"$dir/out")" = 1
go bench model -d $e -m "$dense" -p 0 -n 0; ok "bench model: nothing to do" said 2 "is out of range" err
go bench model -d $e -m "$dense" -r 0; ok "bench model: no repetitions" said 2 "is out of range" err
go bench model -d $e; ok "bench model without a model" said 2 "--model is needed" err

go bench latent -t 1 --heads 2 -n 70 -c 60 -s 0 --json
ok "bench latent --json" json 'd["tokens"] == 70 and d["past"] == 60 and d["heads_ms"] > 0 and d["chosen"] in ("absorbed", "expanded") and d["expanded_ratio"] > 0 and d["counted_ratio"] > 0 and 2**16 < d["scratch_bytes"] < 2**22'
go bench latent -t 2 --heads 1 -n 3 -s 0 --type F16; ok "bench latent: a table" test "$rc" = 0 -a "$(grep -cE '^1 heads, F16, 2 threads|^ +3 +0 .*sorbed|^ +3 +0 .*expanded' "$dir/out")" = 2
go bench latent --heads 129; ok "bench latent: too many heads" said 2 "1 to 128 heads" err
go bench latent --type Q6_K; ok "bench latent: blocks that don't fit" said 2 "type Q6_K: not one, or it has no PACKED rows of 128" err
go bench latent --isa scalar; ok "bench latent: one form only" said 77 "without vector instructions there is one form only" err

go bench ops -t 1 -n 1 -s 0 --json
ok "bench ops --json" json 'd["tokens"] == 1 and d["roof_gbs"] > 0.1 and d["ops"]["linear"]["calls"] == 91 and 0 < d["ops"]["linear"]["gbs"]'
go bench ops -t 2 -n 2 -s 0 --type Q8_0; ok "bench ops: the roof, and no share without weights" test "$rc" = 0 -a \
	"$(grep -cE '^2 threads, isa auto, read roof [0-9.]+ GB/s \((avx512|avx2|baseline) loads, [0-9]+ MiB a thread\)|^linear .*%|^rmsnorm .* - ' "$dir/out")" = 3
go bench ops --threads 0; ok "bench ops: no threads" said 2 "1 to 64 threads, up to 4096 tokens" err
go bench ops --context 65537; ok "bench ops: too long a context" said 2 "a context of 1 to 65536" err
go bench ops --type Q4_K; ok "bench ops: blocks that don't fit" said 2 "type Q4_K: not one, or it has no PACKED rows of 576" err
go bench ops -t 1 -n 2 -s 0 --type F8_E4M3 --against BF16; ok "bench ops --against: a ratio and the roof" test "$rc" = 0 -a \
	"$(grep -cE '^F8_E4M3 against BF16: products [0-9.]+ x as fast, whole step [0-9.]+ x; 0.50 of the bytes, which take [0-9]+ % of' "$dir/out")" = 1
go bench ops -t 1 -n 1 -s 0 --type F8_E4M3 --against Q8_0 --json; tail -1 "$dir/out" >"$dir/last"; mv "$dir/last" "$dir/out"
ok "bench ops --against --json" json 'd["dtype"] == "F8_E4M3" and d["against"] == "Q8_0" and d["products"] > 0 and 0.94 < d["bytes"] < 0.96'
go bench ops -t 1 -n 1 -s 0 --type MXFP4 --against Q8_0; ok "bench ops: MXFP4 and what it was made" test "$rc" = 0 -a \
	"$(grep -cE '^MXFP4 against Q8_0: products [0-9.]+ x as fast, whole step [0-9.]+ x; 0.50 of the bytes' "$dir/out")" = 1
go bench ops --against Q6_K; ok "bench ops: against blocks that don't fit" said 2 "against Q6_K: not a type, or it has no PACKED rows of 576" err
go bench ops --isa mmx; ok "bench ops: unknown instructions" said 1 "isa=mmx: unknown" err
end
