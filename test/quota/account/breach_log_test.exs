defmodule Quota.Account.BreachLogTest do
  # Captures the log of the whole VM.
  use ExUnit.Case, async: false

  alias Bounded.Native
  import Bounded.Eventually
  import ExUnit.CaptureLog

  @mib 1024 * 1024

  setup do
    Application.put_env(:bounded, :log_breaches, true)
    on_exit(fn -> Application.put_env(:bounded, :log_breaches, false) end)
  end

  defp label, do: "logged #{System.unique_integer([:positive])}"
  defp grow(list), do: grow([list | list])

  # Returns when the guard, which has the breach logged, has ended as well.
  defp breach(opts) do
    test = self()

    {pid, ref} =
      spawn_monitor(fn ->
        Quota.put_limit(@mib, opts)
        {account, _} = Native.own_account()
        send(test, {:guard, Native.account_guard(account)})
        grow([])
      end)

    guard = receive do: ({:guard, guard} -> Process.monitor(guard))
    receive do: ({:DOWN, ^ref, _, _, :killed} -> :ok)
    receive do: ({:DOWN, ^guard, _, _, _} -> pid)
  end

  # What is logged until `expected` lines name the label.
  defp lines(label, fun, expected) do
    {:ok, seen} = Agent.start_link(fn -> nil end)

    log =
      capture_log(fn ->
        result = fun.()
        Agent.update(seen, fn _ -> result end)
        # Written by a process of its own, which is gone when it has written.
        eventually(fn -> refute writing?() end)
      end)

    lines = log |> String.split("\n") |> Enum.filter(&(&1 =~ label))
    assert length(lines) == expected
    {Agent.get(seen, & &1), lines}
  end

  defp writing? do
    Enum.any?(Process.list(), fn pid ->
      Process.info(pid, :initial_call) == {:initial_call, {Quota.Account.BreachLog, :write, 4}}
    end)
  end

  test "a breach of put_limit/2 is one line at level :error, with everything that is known" do
    label = label()
    {pid, [line]} = lines(label, fn -> breach(label: label) end, 1)
    assert line =~ "[error]"
    assert line =~ "Quota: #{inspect(pid)} was killed: the work #{inspect(label)}"
    assert line =~ "limit of 1 MiB for its heap"
    assert line =~ "In use: heap"
  end

  test "of many breaches of one label one is logged" do
    label = label()
    lines(label, fn -> for _ <- 1..5, do: breach(label: label) end, 1)
  end

  test "and the next line says how many were not" do
    label = label()

    error = %Quota.ExceededError{
      limit: @mib,
      category: :heap,
      usage: %Quota.Usage{},
      label: label
    }

    write = fn count -> fn -> Quota.Account.BreachLog.write(error, "Quota: ", [], count) end end
    {_, [line]} = lines(label, write.(4), 1)

    assert String.trim_trailing(line)
           |> String.ends_with?(". 4 earlier breaches of this label were not logged")

    {_, [line]} = lines(label, write.(0), 1)
    refute line =~ "earlier"
  end

  test "a run raises and is not logged" do
    label = label()
    lines(label, fn -> Quota.try_run(@mib, fn -> grow([]) end, label: label) end, 0)
  end

  test "what is only observed is logged and goes on" do
    label = label()

    observed = fn ->
      Quota.run(
        @mib,
        fn ->
          kept = Enum.to_list(1..200_000)
          {account, _} = Native.own_account()
          eventually(fn -> assert Native.account_cause(account) != nil end)
          length(kept)
        end,
        mode: :observe,
        label: label
      )
    end

    {200_000, [line]} = lines(label, observed, 1)
    assert line =~ "goes on (mode: :observe)"
  end

  test "unless the application says no" do
    Application.put_env(:bounded, :log_breaches, false)
    label = label()
    lines(label, fn -> breach(label: label) end, 0)
  end
end
