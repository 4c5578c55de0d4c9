defmodule Quota.CrashReasonTest do
  # A server under `Quota.put_limit/2` that crashes exits with its reason, large as it is, and not as killed.
  use ExUnit.Case, async: true

  @moduletag capture_log: true

  @mib 1024 * 1024
  @part 10

  defmodule Server do
    use GenServer

    @impl true
    def init({limit, callback, reason}) do
      :ok = Quota.put_limit(limit)
      {:ok, {callback, reason}}
    end

    @impl true
    def handle_call(:crash, _from, {:call, reason}), do: crash(reason)

    @impl true
    def handle_cast(:crash, {:cast, reason}), do: crash(reason)

    @impl true
    def handle_info(:crash, {:info, reason}), do: crash(reason)

    defp crash({:stop, kind, bytes}), do: {:stop, reason(kind, bytes), nil}
    defp crash({:exit, kind, bytes}), do: exit(reason(kind, bytes))

    def reason(:list, bytes), do: {:list, Enum.to_list(1..div(bytes, 16))}
    def reason(:binary, bytes), do: {:binary, :binary.copy(<<1>>, bytes)}

    def reason(:binaries, bytes),
      do: {:binaries, for(n <- 1..div(bytes, 1_000), do: :binary.copy(<<n>>, 1_000))}

    def reason(:map, bytes), do: {:map, Map.new(1..div(bytes, 40), &{&1, &1})}
    def reason(:tuples, bytes), do: {:tuples, for(n <- 1..div(bytes, 48), do: {n, n, n})}
  end

  # 5 kinds of reason, 3 callbacks, 2 ways to stop.
  for limit <- [8, 16, 64],
      callback <- [:call, :cast, :info],
      how <- [:stop, :exit],
      kind <- [:list, :binary, :binaries, :map, :tuples] do
    if limit > 8, do: @tag(:native_speed)

    test "#{how} with #{kind} in handle_#{callback} under #{limit} MiB" do
      limit = unquote(limit) * @mib
      bytes = div(limit, @part)
      reason = {unquote(how), unquote(kind), bytes}
      {:ok, server} = GenServer.start(Server, {limit, unquote(callback), reason})
      ref = Process.monitor(server)
      send_crash(unquote(callback), server)
      assert_receive {:DOWN, ^ref, _, _, exited}, 30_000
      assert {unquote(kind), _} = exited
      assert exited == Server.reason(unquote(kind), bytes)
    end
  end

  defp send_crash(:call, server), do: send(server, {:"$gen_call", {self(), make_ref()}, :crash})
  defp send_crash(:cast, server), do: GenServer.cast(server, :crash)
  defp send_crash(:info, server), do: send(server, :crash)
end
