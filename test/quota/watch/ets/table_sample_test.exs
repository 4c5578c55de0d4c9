defmodule Quota.Watch.Ets.TableSampleTest do
  # Binaries that tables refer to, with `count: [:ets]`.
  use ExUnit.Case, async: true

  alias Quota.Watch.Ets.TableSample

  @mib 1024 * 1024
  @counted [count: [:ets]]

  for type <- [:set, :ordered_set, :duplicate_bag], access <- [:public, :protected] do
    test "counts those that only a #{access} #{type} refers to" do
      table = [unquote(type), unquote(access)]

      {:error, error} =
        Quota.try_run(16 * @mib, fn -> binaries(:ets.new(:t, table), 300_000) end, @counted)

      assert error.category == :ets
      assert error.usage.ets > 8 * @mib
    end
  end

  test "counts many small ones in large tables" do
    work = fn -> binaries(:ets.new(:t, [:public]), 2_000) end
    assert {:error, %{category: :ets}} = Quota.try_run(16 * @mib, work, @counted)
  end

  @tag :native_speed
  test "counts those that the work holds as well once" do
    assert 12 = Quota.run(16 * @mib, fn -> shared(12, Enum.to_list(1..12)) end, @counted)
  end

  # As where the work does not answer in time.
  test "where nobody says what the work holds, those count that nobody else references" do
    table = :ets.new(:t, [:public])
    binaries = for key <- 1..12, do: insert(table, key)
    assert sample(table, :alone) == 0
    assert length(binaries) == 12
    :erlang.garbage_collect()
    assert sample(table, :alone) == 12 * @mib
  end

  defp sample(table, holder),
    do: TableSample.binaries(table, 12, :ets.info(table, :memory) * 8, 8 * @mib, holder)

  defp insert(table, key) do
    binary = big(1)
    :ets.insert(table, {key, binary})
    binary
  end

  test "counts one that all rows refer to once" do
    assert 5_000 =
             Quota.run(
               16 * @mib,
               fn -> watched(fill(:ets.new(:t, [:public]), 5_000, big(4))) end,
               @counted
             )
  end

  test "does not take one large one among many rows for the rule" do
    work = fn ->
      table = fill(:ets.new(:t, [:public, :ordered_set]), 20_000, :row)
      for key <- 1..20, do: :ets.insert(table, {key, :binary.copy(<<1>>, 200_000)})
      watched(table)
    end

    assert 20_000 = Quota.run(16 * @mib, work, @counted)
  end

  test "does not take one row of many binaries among many rows for the rule" do
    work = fn ->
      table = fill(:ets.new(:t, [:public, :ordered_set]), 20_000, :row)
      :ets.insert(table, {1, for(_ <- 1..200, do: :binary.copy(<<1>>, 20_000))})
      watched(table)
    end

    assert 20_000 = Quota.run(16 * @mib, work, @counted)
  end

  test "leaves out private tables, as it is said" do
    work = fn -> :ets.new(:t, [:private]) |> fill_distinct(24) |> watched() end
    assert 24 = Quota.run(16 * @mib, work, @counted)
  end

  test "a table that is given away or dropped meanwhile counts no more" do
    work = fn ->
      for _ <- 1..100 do
        table = fill_distinct(:ets.new(:t, [:public]), 4)
        :erlang.yield()
        :ets.delete(table)
      end
    end

    assert [true | _] = Quota.run(32 * @mib, work, @counted)
  end

  # `:binary.copy/2` of a single byte takes half a second a megabyte under emulation.
  defp big(mib), do: <<0::size(mib * @mib)-unit(8)>>

  # Without garbage.
  defp fill_distinct(table, rows) do
    for n <- 1..rows do
      :ets.insert(table, {n, big(1)})
      :erlang.garbage_collect()
    end

    table
  end

  defp fill(table, rows, value) do
    for n <- 1..rows, do: :ets.insert(table, {n, value})
    table
  end

  # Until the guard has looked often.
  defp watched(table) do
    for _ <- 1..40, do: Process.sleep(5)
    :ets.info(table, :size)
  end

  defp shared(mib, keys) do
    values = for _ <- keys, do: big(1)
    table = :ets.new(:t, [:public])
    for {key, value} <- Enum.zip(keys, values), do: :ets.insert(table, {key, value})
    ^mib = watched(table)
    length(values)
  end

  # Until it is stopped, or has made far more than it may. As slowly as a guard looks, under emulation too: a byte at a time.
  defp binaries(table, bytes), do: binaries(table, bytes, div(512 * @mib, bytes))

  defp binaries(_table, _bytes, 0), do: :not_stopped

  defp binaries(table, bytes, n) do
    :ets.insert(table, {n, :binary.copy(<<1>>, bytes)})
    binaries(table, bytes, n - 1)
  end
end
