-- Callouts and the line below a figure, in the PDF: in the words of book.typ, where Quarto has a look of its own. And
-- links to a place in a published file, of which Quarto would keep the place alone and look for it in the PDF.
if FORMAT ~= "typst" then return {} end

local function around(before, blocks)
  local result = pandoc.Blocks({ pandoc.RawBlock("typst", before .. "[") })
  result:extend(blocks)
  result:insert(pandoc.RawBlock("typst", "]"))
  return result
end

local function callout(div, kind)
  local title = div.attributes.title and pandoc.Inlines(div.attributes.title)
  local blocks = div.content
  if blocks[1] and blocks[1].t == "Header" then title = blocks:remove(1).content end
  if not title then return around('#callout(kind: "' .. kind .. '")', blocks) end
  local opening = pandoc.Inlines({ pandoc.RawInline("typst", '#callout(kind: "' .. kind .. '", title: [') })
  opening:extend(title)
  opening:insert(pandoc.RawInline("typst", "])["))
  local result = pandoc.Blocks({ pandoc.Plain(opening) })
  result:extend(blocks)
  result:insert(pandoc.RawBlock("typst", "]"))
  return result
end

return {
  {
    Div = function(div)
      if div.classes:includes("provenance") then return around("#provenance", div.content) end
      for _, class in ipairs(div.classes) do
        local kind = class:match("^callout%-(.+)$")
        if kind then return callout(div, kind) end
      end
    end,
    Link = function(link)
      local file = link.target:match("^([^#:]+)#")
      if not file or file:match("%.qmd$") then return end
      local result = pandoc.Inlines({ pandoc.RawInline("typst", '#link("' .. link.target .. '")[') })
      result:extend(link.content)
      result:insert(pandoc.RawInline("typst", "]"))
      return result
    end,
  },
}
