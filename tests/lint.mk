# Style and static analysis.
#   make test-lint   clang-format, cppcheck, and docs/messages.md; exceptions with their reasons in tests/lint/cppcheck.txt

.PHONY: test-lint
test-lint:
	tests/lint/run.sh $(BUILD)/results/lint.txt
