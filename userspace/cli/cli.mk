# SPDX-License-Identifier: MIT
programs += dseek
dseek-libs += -lcjson -lyaml -lncursesw
dseek-src += $(addprefix userspace/cli/,main.c commands.c options.c log.c progress.c cmd_run.c cmd_doctor.c doctor_arb.c doctor_gpu.c doctor_machine.c)
dseek-src += $(addprefix userspace/cli/,run.c run_spec.c run_worker.c run_spin.c run_text.c run_model.c run_view.c run_panes.c run_report.c bench_shares.c)
