defmodule Quota.ModelTest do
  # Alone, because the model says how many quotas the node has.
  use ExUnit.Case, async: false

  alias Bounded.Test.Model

  @compile {:no_warn_undefined, [:proper, :proper_statem]}
  # From Elixir 1.15 on, Mix hides what the project does not name.
  for path <- Path.wildcard("#{:code.lib_dir()}/proper-*/ebin"), do: Code.append_path(path)

  # `MODEL_RUNS=2000 mix test test/quota/model_test.exs` is the long version.
  @runs String.to_integer(System.get_env("MODEL_RUNS") || "25")

  unless Code.ensure_loaded?(:proper) do
    @moduletag skip: "PropEr is not installed: erlang-proper of Debian"
  end

  @moduletag timeout: :infinity

  setup do
    for %{pid: pid} <- Quota.list(), do: Process.exit(pid, :kill)
    start_supervised!({Quota.Pool, name: Model, size: Quota.mib(1024)})
    :ok
  end

  test "what runs, limits, pools, kills and shared parsers leave charged is what the model says" do
    property =
      :proper.forall(:proper_statem.commands(Model), fn commands ->
        Model.setup()
        {history, _state, result} = :proper_statem.run_commands(Model, commands)
        left = Model.teardown()
        result = with :ok <- result, do: left
        if result != :ok, do: report(commands, history, result)
        result == :ok
      end)

    assert :proper.quickcheck(property, [:quiet, numtests: @runs, max_size: 60]) == true
  end

  # Of the shortest sequence that fails, the last one printed.
  defp report(commands, history, result) do
    calls = for {:set, _, {:call, _, :perform, call}} <- commands, do: call
    IO.puts("the model fails after #{length(history)} of #{inspect(calls, limit: :infinity)}")
    IO.puts(inspect(result, limit: 60))
  end
end
