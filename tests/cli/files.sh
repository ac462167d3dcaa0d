#!/bin/bash
# SPDX-License-Identifier: MIT
# dseek tokenize, dseek model inspect, dseek model synth: what they print, and what they refuse.
. "$(dirname "$0")/lib.sh"

spm=$dir/spm.gguf bpe=$dir/bpe.gguf
go model synth -q "$spm"; ok "synth" test "$rc" = 0 -a -s "$spm" -a ! -s "$dir/err"
go model synth -q -p tiny-mixtral -t q8_0 --layers 1 --experts 4 --vocabulary bpe --seed 5 "$bpe"; ok "synth with sizes" test "$rc" = 0
go model synth -p tiny-mixtral --experts 0 "$dir/dense.gguf"; ok "synth without experts" said 0 "tiny-mixtral, " err
go model synth --preset huge x; ok "synth: unknown preset" said 2 "no preset 'huge'; there are tiny-llama, tiny-mixtral, tiny-qwen3moe, tiny-dsv2lite, tiny-dsv3, tiny-gptoss" err
go model synth --type q6_k "$dir/x"; ok "synth: a type it can't make" said 1 "the type is none of f32, f16, bf16, q8_0, q4_0, q4_1, mxfp4" err
go model synth --vocab 20 "$dir/x"; ok "synth: small vocabulary" said 1 "the vocabulary has less than 300 tokens" err
go model synth --layers 99999999999 "$dir/x"; ok "synth: size too large" said 2 "--layers is too large" err
go model synth --vocabulary unigram "$dir/x"; ok "synth: unknown vocabulary" said 2 "--vocabulary is none of spm, bpe, harmony" err
go model synth "$dir/none/x"; ok "synth: no such folder" said 1 "No such file or directory" err
go model synth; ok "synth without a file" said 2 "operand" err
ok "synth: nothing half-made" test -z "$(ls "$dir" | grep -vE '^(why|out|err|spm.gguf|bpe.gguf|dense.gguf)$')"

go model inspect "$bpe"; ok "inspect" said 0 "architecture llama, 27 keys, 13 tensors, 1214208 parameters" out
ok "inspect: keys" grep -qE '^  llama.expert_count +4$' "$dir/out"
ok "inspect: long arrays are cut" grep -qE '^  tokenizer.ggml.token_type .*\.\.\.\] \(512 of i32\)$' "$dir/out"
go model inspect -t "$bpe"; ok "inspect --tensors" grep -qE 'blk.0.ffn_up_exps.weight +q8_0 +256 x 256 x 4 ' "$dir/out"
go model inspect --key .block_count "$bpe"; ok "inspect --key of the architecture" printed '1\n'
go model inspect --key tokenizer.chat_template "$bpe"; ok "inspect --key: a text as it is" said 0 "<|im_start|>' + message['role']" out
go model inspect --key tokenizer.ggml.token_type "$bpe"; ok "inspect --key: an array whole" test "$(tr -cd , <"$dir/out" | wc -c)" = 511
go model inspect --json "$spm"; ok "inspect --json" json 'd["version"] == 3 and d["keys"]["llama.embedding_length"] == 256 and d["keys"]["tokenizer.ggml.tokens"] == {"array_of": "string", "count": 512} and d["tensors"][0]["name"] == "token_embd.weight" and d["tensors"][0]["ne"] == [256, 512]'
go model inspect --json --full "$spm"; ok "inspect --json --full" json 'd["keys"]["tokenizer.ggml.tokens"][1] == "<s>" and len(d["keys"]["tokenizer.ggml.scores"]) == 512'
go model synth -q -p tiny-gptoss "$dir/oss.gguf"; ok "synth: gpt-oss" test "$rc" = 0
go model inspect "$dir/oss.gguf"; ok "inspect: what the KV cache takes" said 0 "KV cache of 16384 tokens: 8535552 bytes in f16, 49.1 % less than full attention's 16777216; with --kv-type q8_0 4603392, 72.6 % less" out
go model inspect --json --ctx 1000 "$dir/oss.gguf"; ok "inspect --ctx --json" json 'd["kv_cache"] == {"tokens": 1000, "bytes": 658944, "full_bytes": 1024000, "q8_0_bytes": 418944}'
go model synth -q -p tiny-gptoss -t mxfp4 "$dir/mx.gguf"; go model inspect "$dir/mx.gguf"
ok "inspect: weights in memory" grep -qE '^  weights in memory: [0-9]+ bytes, [0-9.]+ of the file.s [0-9]+$' "$dir/out"
go model inspect --json "$dir/mx.gguf"; ok "inspect --json: weights in memory" json 'd["weights"]["file_bytes"] > 2**19 and 0.5 < d["weights"]["bytes"] / d["weights"]["file_bytes"] < 2'
go model inspect "$spm"; ok "inspect: no window" grep -qxE '  KV cache of 16384 tokens: 8388608 bytes in f16; with --kv-type q8_0 4456448, 46.9 % less' "$dir/out"
go model inspect --ctx 99999999 "$spm"; ok "inspect: --ctx too large" said 2 "--ctx is not in 1..2^24" err
go model inspect --ctx 0 "$spm"; ok "inspect: --ctx 0" said 2 "--ctx is not in 1..2^24" err
rm "$dir/oss.gguf"
go model inspect --key no.such "$spm"; ok "inspect: missing key" said 1 "key 'no.such' is missing" err
go model inspect --key a --json "$spm"; ok "inspect: --key with --json" said 2 "--key and --json exclude each other" err
go model inspect "$dir/none"; ok "inspect: missing file" said 1 "No such file or directory" err
head -c 5000 "$spm" >"$dir/cut"; go model inspect "$dir/cut"; ok "inspect: truncated file" said 1 "at offset" err
head -c 1000000 "$spm" >"$dir/cut"; go model inspect "$dir/cut"; ok "inspect: truncated tensors" said 1 "reach past the file's end" err

text=$'It is  a truth\n<s>caf\u00e9 \u65e5'
for m in "$spm" "$bpe"; do
	go tokenize -m "$m" "$text"; ok "tokenize" test "$rc" = 0 -a -s "$dir/out"
	ids=$(cat "$dir/out"); printf %s "$text" >"$dir/text"
	go tokenize -m "$m" --decode "$ids"; ok "tokenize --decode" cmp -s "$dir/text" "$dir/out"
	in=$dir/text; go tokenize -m "$m"; unset in; ok "tokenize standard input" test "$(cat "$dir/out")" = "$ids"
	printf %s "$ids" >"$dir/ids"; go tokenize -m "$m" -D "$dir/ids"; ok "tokenize --decode a file" cmp -s "$dir/text" "$dir/out"
	head -c 3000 /dev/urandom >"$dir/text"; in=$dir/text; go tokenize -m "$m" --plain; unset in; mv "$dir/out" "$dir/ids"
	go tokenize -m "$m" -D "$dir/ids"; ok "tokenize any bytes" cmp -s "$dir/text" "$dir/out"
done
go tokenize -m "$spm" "<s>"; ok "tokenize: control tokens" printed '1\n'
go tokenize -m "$spm" --plain "<s>"; ok "tokenize --plain" test "$rc" = 0 -a "$(cat "$dir/out")" != 1
go tokenize -m "$spm" --add ""; ok "tokenize --add" printed '1\n'
go tokenize -m "$spm" ""; ok "tokenize nothing" printed '\n'
go tokenize -m "$spm" -D ""; ok "tokenize --decode nothing" printed ''
go tokenize -m "$spm" --json "<s>"; ok "tokenize --json" json 'd == {"ids": [1], "tokens": ["<s>"]}'
go tokenize -m "$spm" --pieces "<s></s>"; ok "tokenize --pieces" printed '1\t<s>\n2\t</s>\n'
go tokenize hello; ok "tokenize without a model" said 2 "--model is needed" err
go tokenize -m "$spm" -D 1,512; ok "tokenize: id out of range" said 1 "there is no token 512; the vocabulary has 512" err
go tokenize -m "$spm" -D 1,x; ok "tokenize: not an id" said 1 "x" err
go tokenize -m "$spm" -D --add 1; ok "tokenize: --decode --add" said 2 "--decode takes none of" err
go tokenize -m "$spm" --json --pieces a; ok "tokenize: --json --pieces" said 2 "--pieces and --json exclude each other" err
go tokenize -m "$dir/none" a; ok "tokenize: missing file" said 1 "No such file or directory" err

real=${XDG_CACHE_HOME:-$HOME/.cache}/dseek/SmolLM2-135M-Instruct.Q4_1.gguf
if [ -e "$real" ]; then
	cases=0 wrong=
	while IFS= read -r line; do
		case $line in
		text\ *) text=$(printf '%b.' "${line#text }"); text=${text%.};;
		tokens*) cases=$((cases + 1)); printf %s "$text" >"$dir/text"; in=$dir/text; go tokenize -m "$real" --pieces; unset in
			[ "tokens$(cut -f2 "$dir/out" | sed 's/^/ /' | tr -d '\n')" = "$line" ] || wrong+=" '$text'";;
		esac
	done <tests/model/data/tokens-smollm.txt
	echo "$cases cases; wrong:$wrong" >"$dir/err"
	ok "SmolLM2's own file: tokens of $cases texts" test "$cases" -ge 30 -a -z "$wrong"
else
	skip "SmolLM2's own file" "it is not at $real (tools/fetch-model)"
fi
end
