defmodule Bounded.Test.Panics do
  @moduledoc false
  # What the library does while something in it panics: run in a VM whose library panics where the file
  # `BOUNDED_FAULT` names says.

  @mib 1024 * 1024

  @doc "What comes of using what `place` is in, while that panics."
  def at(place) do
    Logger.configure(level: :none)
    name(place)

    try do
      use_of(place)
    catch
      kind, reason -> {kind, reason}
    after
      # Destructors and monitors run as scheduler work.
      :erlang.garbage_collect()
      Process.sleep(50)
      name("")
    end
  end

  @doc "From now on the library panics at `place`, or nowhere where that is empty."
  def name(place), do: File.write!(System.fetch_env!("BOUNDED_FAULT"), place)

  # Smaller ones are the VM's own.
  defp use_of("binary_copy"), do: BoundedBinary.copy(:binary.copy("x", 600_000))
  defp use_of("xml_feed"), do: ["<a>", "</a>"] |> BoundedXml.stream() |> Enum.to_list()
  defp use_of("account_poll"), do: Quota.run(@mib, fn -> Process.sleep(:infinity) end)
  defp use_of("destructor"), do: spawned(fn -> BoundedBinary.copy(:binary.copy("x", 600_000)) end)
  defp use_of("drop"), do: spawned(fn -> Quota.run(@mib, fn -> :ok end) end)
  defp use_of("down"), do: spawned(fn -> Quota.run(@mib, fn -> Process.sleep(5) end) end)

  # The VM asks the tracer as it kills.
  defp use_of(place) when place in ["enabled", "trace"],
    do: Quota.try_run(@mib, fn -> grow([]) end)

  # Dead by the end, with all that it held.
  defp spawned(fun) do
    {_, ref} = spawn_monitor(fn -> fun.() end)
    receive do: ({:DOWN, ^ref, _, _, reason} -> reason)
  end

  defp grow(list), do: grow([list | list])
end
