defmodule Bench.Escapes.Rows.Entry do
  # What comes in with the work: terms lose their sharing when they are copied to another process.

  import Bench.Escapes.{Data, Row}

  # 2^24 pairs are 256 MiB without sharing.
  @levels 24

  def rows do
    [
      row(
        "captured: 2000 rows that share one map of settings",
        0.5,
        [prepare: &preloaded/0],
        fn rows ->
          length(rows)
        end
      ),
      row(
        "captured: a list of 16 million, shared",
        0.5,
        [prepare: fn -> shared(@levels) end],
        fn list ->
          is_list(list)
        end
      ),
      row(
        "captured in a pool: a list of 16 million, shared",
        0.5,
        [
          prepare: fn ->
            {:ok, _} = Quota.Pool.start_link(name: __MODULE__.Pool, size: Quota.mib(256))
            shared(@levels)
          end,
          options: [pool: __MODULE__.Pool]
        ],
        fn list -> is_list(list) end
      ),
      row(
        "captured, mode: :observe: a list of 128 million, shared",
        0.5,
        [prepare: fn -> shared(27) end, options: [mode: :observe]],
        fn list -> is_list(list) end
      ),
      row(
        "in Logger's metadata",
        0.5,
        [prepare: fn -> Logger.metadata(request: shared(@levels)) end],
        fn ->
          :ok
        end
      ),
      row("in the label", 0.5, [prepare: fn -> shared(@levels) end, options: &[label: &1]], fn ->
        :ok
      end),
      row("in the label of a process that limits itself", 0.5, [via: :put_limit], fn ->
        Quota.put_limit(Quota.mib(64), label: shared(@levels))
      end),
      row(
        "in what is inherited",
        0.5,
        [
          prepare: fn -> Process.put(:inherited, shared(@levels)) end,
          options: [inherit: [:inherited]]
        ],
        fn -> is_list(Process.get(:inherited)) end
      )
    ]
  end

  # As Ecto preloads an association: each row has the same struct.
  defp preloaded do
    settings = Map.new(1..5_000, &{&1, {&1, &1}})
    for i <- 1..2_000, do: %{id: i, tenant: %{name: "tenant", settings: settings}}
  end
end
